"""What everybody speaks of: errors, statuses, ids, globs, versions, records, text.

Pure, and imports nothing else of ours.
"""
