"""Turns a cell of a run into a bug report for upstream: two plain scripts, pinned requirements, and the commands.

- `reproduce` writes the folder;
- `source`, `calls`, `scenario_code`: the code of formats and scenarios, cut out and made plain;
- `comparison`, `scripts`: what is compared, and the scripts;
- `side`, `commands`, `words`: environments, commands and sentences.
"""

from tfmatrix.commands.reproduce.folder import reproduce

__all__ = ["reproduce"]
