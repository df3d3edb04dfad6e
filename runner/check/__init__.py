"""The command `check`: what of a saved model, given as a file, other versions read back. No scenario, no code."""

from __future__ import annotations

from runner.check.command import CheckRequest, CheckResult, check_model
from runner.check.environments import reader_environments, writer_environment
from runner.check.modelfile import ModelFile, read_model

__all__ = [
    "CheckRequest",
    "CheckResult",
    "ModelFile",
    "check_model",
    "read_model",
    "reader_environments",
    "writer_environment",
]
