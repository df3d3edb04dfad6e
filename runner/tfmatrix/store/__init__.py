"""What runs leave behind: artifacts, observations and outcomes by content, and the folders of runs."""
