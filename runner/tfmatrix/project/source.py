"""Python files that are read and never run."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path

from tfmatrix.core.errors import ConfigError
from tfmatrix.core.files import read_bounded


def parse_file(path: Path, content: bytes | None = None) -> ast.Module:
    """The syntax tree of a file (of its `content`, where that is read already). Raises ConfigError."""
    if content is None:
        try:
            content = read_bounded(path)
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror}", file=path) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an escape such as "\d": the worker records it
            return ast.parse(content, filename=str(path))
    except SyntaxError as error:
        raise ConfigError(
            f"is not Python: {error.msg}", file=path, line=error.lineno or None, fix="correct the syntax"
        ) from error
    except (RecursionError, MemoryError) as error:  # the parser's own stack, not the machine's memory
        raise ConfigError(
            "is not Python: nested too deep for its parser", file=path, fix="correct the syntax"
        ) from error
    except ValueError as error:  # null bytes
        raise ConfigError(f"is not Python: {error}", file=path, fix="correct the syntax") from error
