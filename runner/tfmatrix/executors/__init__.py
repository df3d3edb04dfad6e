"""Where workers run: local processes or containers, behind one seam (`base`)."""
