"""`python -m tfmatrix` is `tfmatrix`."""

from tfmatrix.cli import main

if __name__ == "__main__":
    main()
