"""Where the repository lies: what tests read of it beside the package."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
