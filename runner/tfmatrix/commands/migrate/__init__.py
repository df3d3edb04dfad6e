"""The command `migrate`: a file that another version reads, proven to be the same model."""
