"""Reports: tables and data of one run. They read run folders and nothing else."""
