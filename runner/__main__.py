"""`python -m runner` is `tfmatrix`."""

from runner.cli import main

if __name__ == "__main__":
    main()
