"""The command `inspect`: what a model file is and holds, without TensorFlow and without running anything of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfmatrix.core.text import with_code
from tfmatrix.project.modelfiles.contents import Contents, read_contents
from tfmatrix.project.modelfiles.modelfile import ModelFile, read_model
from tfmatrix.project.project import Project
from tfmatrix.reports import terminal
from tfmatrix.reports.document import Facts


@dataclass(frozen=True, kw_only=True)
class Inspected:
    """A file and what it holds."""

    model: ModelFile
    contents: Contents

    def to_json(self) -> dict[str, Any]:
        """All of it as data."""
        model, contents = self.model, self.contents
        return {
            "schema": 1,
            "path": str(model.path),
            "what": model.what,
            "formats": list(model.formats),
            "keras": model.keras,
            "tensorflow": model.tensorflow,
            "runtime": model.runtime,
            "model_class": contents.model_class,
            "layers": dict(contents.layers),
            "custom": list(contents.custom),
            "optimizer": contents.optimizer,
            "bytes": contents.bytes,
            "weights_bytes": contents.weights,
            "parameters": contents.parameters,
            "operators": contents.operators,
            "runs_code": list(contents.code),
        }

    def to_text(self) -> str:
        """A fact a line."""
        rows = tuple((name, with_code(text, 2000)) for name, text in self._rows())
        return terminal.render((Facts(rows=rows),), width=100)

    def _rows(self) -> Iterator[tuple[str, str]]:
        model, contents = self.model, self.contents
        yield "model", f"{model.shown}: {model.what}"
        yield (
            "written by",
            model.said.removeprefix("written by ") if model.keras or model.tensorflow else "it does not say",
        )
        if contents.model_class:
            yield "class", contents.model_class
            total = sum(contents.layers.values())
            yield "layers", f"{total}: " + ", ".join(f"{count} {name}" for name, count in contents.layers.items())
            yield "custom", ", ".join(contents.custom) or "none that the file names"
            yield "optimizer", contents.optimizer or "none: it was not compiled, or saved without"
        if contents.operators is not None:
            yield "operators", str(contents.operators)
            yield "custom", ", ".join(contents.custom) or "none: all are TensorFlow's"
        if contents.parameters is not None:
            yield "parameters", str(contents.parameters)
        weights = f", {contents.weights} of them weights" if contents.weights is not None else ""
        yield "size", f"{contents.bytes} bytes{weights}"
        yield "runs code", "; ".join(contents.code) or "no: loading it runs nothing that lies in the file"


def inspect_file(project: Project, path: Path) -> Inspected:
    """What the file is. Raises UsageError where it is no model."""
    model = read_model(path, project.formats)
    return Inspected(model=model, contents=read_contents(model))
