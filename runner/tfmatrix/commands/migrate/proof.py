"""The proof beside a result: what was compared with what, on what, and how to do it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tfmatrix.core.errors import UsageError
from tfmatrix.store.keys import digest_of_tree

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileProof(_Part):
    """A file, or a folder over the names and contents of its files; `path` as seen from the proof's folder."""

    path: str
    sha256: Sha256
    bytes: int
    format: str


class GivenProof(_Part):
    """A file that the command was given beside the old one; `path` as seen from the proof's folder."""

    path: str
    sha256: Sha256


class EnvironmentProof(_Part):
    """An environment with all that is installed in it."""

    id: str
    described: dict[str, Any]


class CheckProof(_Part):
    """One check: whether it held, with its figures as a run's records have them."""

    status: str
    figures: dict[str, Any]


class Proof(_Part):
    """What NAME.proof.json says.

    `result` is what is proven of the new file: everything, or that it predicts the same (`lost` then names what does
    not hold); `reason` says why no better way is proven. `inputs` are those that both sides got, `reference` the
    SHA-256 of the observation that holds them. `custom_objects` and `inputs_file` are what the command was given under
    these options.
    """

    schema_: Literal[1] = Field(default=1, alias="schema")
    tfmatrix: str
    result: Literal["proven", "proven for inference"]
    way: Literal["native", "savedmodel", "tf-keras", "inference"]
    lost: list[str]
    reason: str = ""
    fix: str = ""
    notes: list[str]
    old: FileProof
    new: FileProof
    writer: EnvironmentProof
    writer_known_by: str
    reader: EnvironmentProof
    load: str
    inputs: list[dict[str, Any]]
    reference: str
    custom_objects: GivenProof | None = None
    inputs_file: GivenProof | None = None
    checks: dict[str, CheckProof]
    repeat: list[str]


def write_json(proof: Proof) -> str:
    """The text of a proof."""
    return json.dumps(proof.model_dump(by_alias=True, mode="json"), indent=1, sort_keys=True) + "\n"


def read_proof(path: Path) -> Proof:
    """The proof at a path. Raises UsageError where it is none."""
    try:
        return Proof.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no {path}", expected="the proof beside a result of migrate") from None
    except (OSError, ValidationError, ValueError) as error:
        said = error.errors()[0] if isinstance(error, ValidationError) else None
        where = ": ".join(filter(None, (".".join(map(str, said["loc"])), said["msg"]))) if said else str(error)
        raise UsageError(f"{path} is no proof: {where}", expected="what migrate wrote, unchanged") from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file; of a folder, over the names and contents of its files."""
    if path.is_dir():
        return digest_of_tree(path)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files)


def figures_of(check: Mapping[str, Any]) -> dict[str, Any]:
    """What a check found beside its status."""
    return {name: value for name, value in check.items() if name != "status"}


def lost_of(failed: Sequence[str], way: str) -> list[str]:
    """What a file that only predicts has lost, in the words of the checks."""
    if way == "inference":
        return ["config", "compile", "optimizer", "resume"]
    return list(failed)
