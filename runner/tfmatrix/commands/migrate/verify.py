"""Repeats a proof: both files by their digests, then every check anew, with nothing taken from the store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfmatrix.analysis.losses import losses
from tfmatrix.commands.migrate.command import inputs_of, refusal
from tfmatrix.commands.migrate.proof import EnvironmentProof, GivenProof, Proof, lost_of, read_proof, sha256_of
from tfmatrix.commands.migrate.sources import PROOF, SUFFIXES
from tfmatrix.core.environment import Environment, has_keras_3
from tfmatrix.core.errors import ExitCode, UsageError
from tfmatrix.engine.file_environments import reader_environments, with_tf_keras, writer_environment
from tfmatrix.engine.files import FileRequest, given_file
from tfmatrix.engine.migration import Migrated, MigrationFile, MigrationRequest, migrate_files
from tfmatrix.engine.run import RunOptions
from tfmatrix.project.modelfiles.modelfile import read_model
from tfmatrix.project.network import package_index
from tfmatrix.project.project import Project
from tfmatrix.store.content import Store


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What came of it. `differences` say what is no longer as the proof says; empty where all of it holds."""

    proof: Proof
    path: Path
    differences: tuple[str, ...]
    infrastructure: bool = False

    @property
    def exit_code(self) -> ExitCode:
        """As for a migration."""
        if self.infrastructure:
            return ExitCode.INFRASTRUCTURE
        return ExitCode.INCOMPATIBLE if self.differences else ExitCode.OK


def verify(
    project: Project,
    name: Path,
    options: RunOptions,
    *,
    old: Path | None = None,
    inputs: Path | None = None,
    custom_objects: Path | None = None,
) -> Verified:
    """Repeats the proof of a result: `name` is the new file, its proof, or either without an ending.

    `old` is the old file, where it no longer lies where the proof says. Raises UsageError where a file is missing.
    """
    path = _proof_of(name)
    proof = read_proof(path)
    before, after = (old or path.parent / proof.old.path).absolute(), path.parent / proof.new.path
    for file, expected in ((before, "the old file; name it: tfmatrix migrate OLD --verify NEW"), (after, "the result")):
        if not file.exists():
            raise UsageError(f"there is no {file}", expected=expected)
    changed = [
        f"{file.name} has another content than the proof says"
        for file, part in ((before, proof.old), (after, proof.new))
        if sha256_of(file) != part.sha256
    ]
    if changed:
        return Verified(proof=proof, path=path, differences=tuple(changed))
    inputs = inputs or _given(path.parent, proof.inputs_file, "--inputs")
    custom_objects = custom_objects or _given(path.parent, proof.custom_objects, "--custom-objects")
    index = package_index(project, offline=options.offline)
    model = read_model(before, project.formats)
    writer, known_by = writer_environment(project, model, proof.writer.id, index)
    reader = _reader(project, proof.reader.id, index)
    store = Store(project.store)
    request = FileRequest(
        model=before,
        writer=writer,
        readers=(),
        inputs=inputs,
        custom_objects=custom_objects,
        writer_known_by=known_by,
    )
    subject, _ = given_file(store, request, model, project.formats[model.loader], sha256=proof.old.sha256)
    chosen = project.formats[proof.new.format]
    with store.incoming() as folder:
        target = folder / chosen.artifact
        if after.is_dir():
            shutil.copytree(after, target, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(after, target)
        made = {"name": chosen.artifact, "digest": store.keep(folder)}
    differences: list[str] = []

    def take(done: Migrated, store: Store, described: Mapping[str, Mapping[str, Any]]) -> None:
        differences.extend(_differences(proof, done))
        for part in (proof.writer, proof.reader):
            differences.extend(_other_packages(part, described.get(part.id) or {}))
        if done.reference.observation is not None and inputs_of(done.reference, store) != proof.inputs:
            differences.append("the inputs are others than the proof lists")

    done = migrate_files(
        project.with_environments([writer, reader], scenarios=store.root / "folders"),
        MigrationRequest(
            files=[MigrationFile(key=str(after), subject=subject, writer=writer, made=made)],
            target=reader,
            format=chosen.id,
            take=take,
            fresh=True,
        ),
        options,
    )[0]
    return Verified(proof=proof, path=path, differences=tuple(differences), infrastructure=done.is_infrastructure)


def _given(folder: Path, part: GivenProof | None, option: str) -> Path | None:
    """What the proof's command was given. Raises UsageError where it is not there, or another one now."""
    if part is None:
        return None
    path = folder / part.path
    if not path.is_file() or sha256_of(path) != part.sha256:
        said = "is not there" if not path.is_file() else "has another content than the proof says"
        raise UsageError(f"{path}, which the proof needs, {said}", fix=f"name it: {option}")
    return path


def _differences(proof: Proof, done: Migrated) -> list[str]:
    """What a proof says and was not found again: each check, and what was made of them. The rest of it is a record."""
    attempt = done.attempts[0] if done.attempts else None
    if attempt is None or attempt.record is None or attempt.record.error is not None:
        return [refusal(done)[0]]
    found = {name: str(check["status"]) for name, check in attempt.record.checks.items()}
    said = {name: check.status for name, check in proof.checks.items()}
    different = [
        f"{name} is {found.get(name, 'not made')}, and the proof says {said.get(name, 'nothing of it')}"
        for name in {**said, **found}
        if found.get(name) != said.get(name)
    ]
    different += losses(attempt.record) if different else []
    lost = lost_of(attempt.record.failed_checks, proof.way)
    if attempt.level.value != proof.result:
        different.append(f"it is {attempt.level}, and the proof says {proof.result}")
    if sorted(lost) != sorted(proof.lost):
        different.append(f"{_named(lost)} is lost, and the proof says {_named(proof.lost)}")
    return different


def _other_packages(part: EnvironmentProof, described: Mapping[str, Any]) -> Iterator[str]:
    """The packages of an environment that are others than a proof says."""
    there, here = part.described.get("packages") or {}, described.get("packages") or {}
    for name in sorted({*there, *here}):
        if there.get(name) != here.get(name):
            yield f"{part.id} has {name} {here.get(name, 'not at all')}, and the proof says {there.get(name, 'none')}"


def _named(checks: Sequence[str]) -> str:
    return ", ".join(checks) or "nothing"


def _reader(project: Project, name: str, index: Any) -> Environment:
    plain = name.removesuffix("+tf-keras")
    found = reader_environments(project, [plain], index)[0]
    return with_tf_keras(project, found) if plain != name and has_keras_3(found) else found


def _proof_of(name: Path) -> Path:
    if name.name.endswith(PROOF):
        return name
    for suffix in SUFFIXES.values():
        if suffix and name.name.endswith(suffix):
            name = name.with_name(name.name.removesuffix(suffix))
            break
    return name.with_name(f"{name.name}{PROOF}")
