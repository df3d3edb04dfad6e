"""`python -m runner` is `tfmatrix`, straight from a checkout."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tfmatrix.cli import main

if __name__ == "__main__":
    main()
