"""Migrates files: finds what is meant and who wrote it, measures what is new, hands over what is proven."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfmatrix.analysis.losses import losses
from tfmatrix.commands.migrate.proof import (
    CheckProof,
    EnvironmentProof,
    FileProof,
    GivenProof,
    Proof,
    figures_of,
    lost_of,
    read_proof,
    sha256_of,
    size_of,
    write_json,
)
from tfmatrix.commands.migrate.sources import SUFFIXES, Source, find_sources
from tfmatrix.core.environment import Environment, has_keras_3
from tfmatrix.core.errors import ExitCode, UsageError
from tfmatrix.core.hints import did_you_mean, one_of
from tfmatrix.core.outcome import Outcome
from tfmatrix.core.version import __version__
from tfmatrix.engine.file_environments import reader_environments, with_tf_keras, writer_environment
from tfmatrix.engine.files import FileRequest, given_file
from tfmatrix.engine.migration import Attempt, Level, Migrated, MigrationFile, MigrationRequest, Way, migrate_files
from tfmatrix.engine.run import RunOptions
from tfmatrix.project.network import package_index
from tfmatrix.project.project import Project
from tfmatrix.store.content import Store

if TYPE_CHECKING:
    from tfmatrix.envs.releases import Index

FORMATS = ("keras", "h5", "savedmodel")
"""What a new file may be; where none is asked for, the first."""


@dataclass(frozen=True, kw_only=True)
class MigrateOptions:
    """What to make. `to` is a version, an id of matrix.yaml or a selector of one; the others are as for a check.

    `format` None: the first of FORMATS, or another that the target has, where that does not bring all back.
    """

    to: str
    format: str | None = None
    output: Path = Path("migrated")
    saved_with: str | None = None
    custom_objects: Path | None = None
    inputs: Path | None = None
    tf_keras: bool = True


@dataclass(frozen=True, kw_only=True)
class FileResult:
    """What one file came to.

    `result` is the new file, `proof` the proof beside it, where it was handed over; `done`: that was so before.
    `reason` says why it was refused, or why no better way was found; `fix` what to do now. `readable`: its own writer
    loads it.
    """

    source: Source
    level: Level
    way: str = ""
    result: Path | None = None
    proof: Path | None = None
    lost: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    checks: Mapping[str, str] | None = None
    reason: str = ""
    fix: str = ""
    done: bool = False
    infrastructure: bool = False
    writer: str = ""
    readable: bool = True


@dataclass(frozen=True, kw_only=True)
class MigrateResult:
    """All files, in the order in which they were named."""

    target: Environment
    files: tuple[FileResult, ...]

    @property
    def exit_code(self) -> ExitCode:
        """Refused files first: they are what somebody has to look at; then what could not be measured."""
        if any(each.level is not Level.WHOLE and not each.infrastructure for each in self.files):
            return ExitCode.INCOMPATIBLE
        return ExitCode.INFRASTRUCTURE if any(each.infrastructure for each in self.files) else ExitCode.OK


def migrate_project(
    project: Project, given: Sequence[str], wanted: MigrateOptions, options: RunOptions
) -> MigrateResult:
    """Migrates what `given` names. Raises UsageError for what cannot be meant, before anything is started."""
    if wanted.format is not None and wanted.format not in FORMATS:
        raise UsageError(
            f"unknown format {wanted.format!r}", expected=one_of(FORMATS), fix=did_you_mean(wanted.format, FORMATS)
        )
    index = package_index(project, offline=options.offline)
    targets = reader_environments(project, [wanted.to], index)
    if len(targets) != 1:
        raise UsageError(f'--to "{wanted.to}" means {len(targets)} versions', expected="one")
    target = targets[0]
    if has_keras_3(target) and wanted.format == "savedmodel":
        raise UsageError(
            f"Keras 3, which {target.id} has, writes no SavedModel that is a Keras model",
            expected="--format keras or h5",
        )
    _require_writable(wanted.output)
    for option, path in (("--inputs", wanted.inputs), ("--custom-objects", wanted.custom_objects)):
        if path is not None and not path.is_file():
            raise UsageError(f"{option}: there is no {path}")
    sources = find_sources(project, given, wanted.output)
    results: dict[Path, FileResult] = {}
    files: dict[str, tuple[MigrationFile, Source, str, str]] = {}
    store = Store(project.store)
    for source in sources:
        found = _settled(source, target, wanted) or _prepared(project, store, source, wanted, index, files)
        if found is not None:
            results[source.path] = found
    if files:
        legacy = with_tf_keras(project, target) if wanted.tf_keras and has_keras_3(target) else None

        def take(done: Migrated, store: Store, described: Mapping[str, Mapping[str, Any]]) -> None:
            _, source, before, known_by = files[done.file.key]
            results[source.path] = _hand_over(done, source, before, known_by, store, described, target, wanted)

        writers = {file.writer.id: file.writer for file, *_ in files.values()}
        migrate_files(
            project.with_environments(list({**writers, target.id: target}.values()), scenarios=store.root / "folders"),
            MigrationRequest(
                files=[file for file, *_ in files.values()],
                target=target,
                format=wanted.format or FORMATS[0],
                take=take,
                savedmodel=wanted.format is None and not has_keras_3(target),
                legacy=legacy,
            ),
            options,
        )
    return MigrateResult(target=target, files=tuple(results[source.path] for source in sources))


def _require_writable(output: Path) -> None:
    """Raises UsageError where no result could be handed over, before hours are spent on them."""
    there = next(each for each in (output.absolute(), *output.absolute().parents) if os.path.lexists(each))
    what = "is no folder"
    if there.is_dir():
        try:
            # What the permissions say is not all: a file system may be read-only, or refuse in its own way.
            with tempfile.TemporaryDirectory(dir=there, prefix=".tfmatrix-"):
                return
        except OSError as error:
            what = f"cannot be written to ({error.strerror})"
    raise UsageError(f"{there} {what}, and results would go to {output}", fix="choose another folder: -o")


def _settled(source: Source, target: Environment, wanted: MigrateOptions) -> FileResult | None:
    """What needs no measurement: what is no model, and what was handed over before.

    Raises UsageError where something else is in the way: it is never replaced.
    """
    if source.model is None:
        return FileResult(source=source, level=Level.NOTHING, reason=source.problem)
    present = next(
        (path for suffix in SUFFIXES.values() if (path := source.folder / f"{source.name}{suffix}").exists()), None
    )
    if not source.proof.exists():
        if present is not None:
            raise UsageError(
                f"{present} is there already, without a proof beside it", fix="remove it, or choose another folder: -o"
            )
        return None
    proof = read_proof(source.proof)
    if proof.old.sha256 == sha256_of(source.path) and proof.reader.id in (target.id, with_suffix(target.id)):
        result = source.folder / proof.new.path
        if result.exists() and sha256_of(result) == proof.new.sha256:
            if (otherwise := _made_otherwise(proof, wanted)) is not None:
                raise UsageError(
                    f"{source.proof} was made {otherwise}",
                    fix="remove it with its result, or choose another folder: -o",
                )
            return _done(source, proof)
        if not result.exists():
            return None  # killed between the proof and the file
    raise UsageError(
        f"{source.proof} is of another file or another version",
        fix="remove it with its result, or choose another folder: -o",
    )


def _made_otherwise(proof: Proof, wanted: MigrateOptions) -> str | None:
    """How a result that is there was made, where this command asks for something else; None where it does not."""
    if wanted.format not in (None, proof.new.format) and proof.way != Way.INFERENCE.value:
        return f"in the format {proof.new.format}"
    for option, path, part in (
        ("--inputs", wanted.inputs, proof.inputs_file),
        ("--custom-objects", wanted.custom_objects, proof.custom_objects),
    ):
        if path is not None and (part is None or part.sha256 != sha256_of(path)):
            return f"with another {option}" if part is not None else f"without {option}"
    return None


def _done(source: Source, proof: Proof) -> FileResult:
    """What was handed over before, as its proof says."""
    return FileResult(
        source=source,
        level=Level(proof.result),
        way=proof.way,
        result=source.folder / proof.new.path,
        proof=source.proof,
        lost=tuple(proof.lost),
        notes=tuple(proof.notes),
        checks={name: check.status for name, check in proof.checks.items()},
        reason=proof.reason,
        fix=proof.fix,
        writer=proof.writer.id,
        done=True,
    )


def with_suffix(name: str) -> str:
    """The id of an environment with tf-keras."""
    return f"{name}+tf-keras"


def _prepared(
    project: Project,
    store: Store,
    source: Source,
    wanted: MigrateOptions,
    index: Index,
    files: dict[str, tuple[MigrationFile, Source, str, str]],
) -> FileResult | None:
    """Puts the file into the store and among `files`; returns a result where its writer is not known."""
    assert source.model is not None
    try:
        writer, known_by = writer_environment(project, source.model, wanted.saved_with, index)
    except UsageError as error:
        if wanted.saved_with is not None:
            raise
        return FileResult(source=source, level=Level.NOTHING, reason=error.what, fix=error.fix)
    before = sha256_of(source.path)
    request = FileRequest(
        model=source.path,
        writer=writer,
        readers=(),
        inputs=wanted.inputs,
        custom_objects=wanted.custom_objects,
        writer_known_by=known_by,
    )
    subject, _ = given_file(store, request, source.model, project.formats[source.model.loader], sha256=before)
    key = str(source.path)
    files[key] = (MigrationFile(key=key, subject=subject, writer=writer), source, before, known_by)
    return None


# Handing over


def _hand_over(
    done: Migrated,
    source: Source,
    before: str,
    known_by: str,
    store: Store,
    described: Mapping[str, Mapping[str, Any]],
    target: Environment,
    wanted: MigrateOptions,
) -> FileResult:
    result = FileResult(source=source, level=done.level, writer=done.file.writer.id)
    if sha256_of(source.path) != before:
        return replace(
            result, level=Level.NOTHING, reason="it was changed while it was migrated", fix="migrate it again"
        )
    chosen = done.chosen
    if chosen is None:
        reason, fix = refusal(done)
        readable = done.reference.status == "ok" or done.is_infrastructure
        return replace(result, reason=reason, fix=fix, infrastructure=done.is_infrastructure, readable=readable)
    assert chosen.made is not None
    assert chosen.made.artifact is not None
    assert chosen.record is not None
    made = store.folder(chosen.made.artifact["digest"]) / chosen.made.artifact["name"]
    place = source.result("tf-savedmodel-raw" if chosen.way is Way.INFERENCE else chosen.format)
    lost = lost_of(chosen.record.failed_checks, chosen.way)
    notes = _notes(done, store)
    reason, fix = refusal(done)
    if done.level is Level.WHOLE:
        fix = ""
    proof = Proof(
        tfmatrix=__version__,
        result="proven" if done.level is Level.WHOLE else "proven for inference",
        way=chosen.way.value,
        lost=lost,
        reason=reason,
        fix=fix,
        notes=notes,
        old=FileProof(
            path=os.path.relpath(source.path, source.folder),
            sha256=before,
            bytes=size_of(source.path),
            format=done.file.subject.loader.id,
        ),
        new=FileProof(path=place.name, sha256=sha256_of(made), bytes=size_of(made), format=chosen.format),
        writer=EnvironmentProof(id=done.file.writer.id, described=dict(described[done.file.writer.id])),
        writer_known_by=known_by,
        reader=EnvironmentProof(id=chosen.environment, described=dict(described[chosen.environment])),
        load=load_line(chosen, wanted.custom_objects),
        inputs=inputs_of(done.reference, store),
        reference=str(done.reference.observation),
        custom_objects=_given(wanted.custom_objects, source.folder),
        inputs_file=_given(wanted.inputs, source.folder),
        checks={
            name: CheckProof(status=str(check["status"]), figures=figures_of(check))
            for name, check in chosen.record.checks.items()
        },
        repeat=[
            shlex.join(_command(source, target, done.file.writer, wanted)),
            f"tfmatrix migrate --verify {place.name}",
        ],
    )
    try:
        if not _put(made, place, source.proof, write_json(proof)):
            # Another command got there first: nothing of it is replaced.
            return _done(source, read_proof(source.proof))
    except OSError as error:
        return replace(
            result,
            level=Level.NOTHING,
            infrastructure=True,
            reason=f"{place} cannot be written: {error.strerror}",
            fix="make room, or choose another folder: -o; what is measured is not measured again",
        )
    return replace(_done(source, proof), done=False)


def _put(made: Path, place: Path, proof_place: Path, proof: str) -> bool:
    """Puts a copy of the new file in its place, at once, and its proof beside it; False where there is one already.

    The proof comes first: a file without one was never handed over, and a proof without its file is done again.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as temporary:
        copy, text = Path(temporary) / place.name, Path(temporary) / proof_place.name
        if made.is_dir():
            shutil.copytree(made, copy, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(made, copy)
        text.write_text(proof, encoding="utf-8")
        try:
            # Fails where the name is taken, unlike a rename.
            proof_place.hardlink_to(text)
        except FileExistsError:
            if (place.parent / read_proof(proof_place).new.path).exists():
                return False
            text.replace(proof_place)  # of a command that was killed before its file came
        except OSError:  # a file system without hard links
            text.replace(proof_place)
        copy.rename(place)
    return True


def _given(path: Path | None, folder: Path) -> GivenProof | None:
    if path is None:
        return None
    return GivenProof(path=os.path.relpath(path.absolute(), folder.absolute()), sha256=sha256_of(path))


def _command(source: Source, target: Environment, writer: Environment, wanted: MigrateOptions) -> list[str]:
    """The command that makes this result, in the folder of the old file."""
    words = ["tfmatrix", "migrate", source.path.name, "--to", target.id, "--saved-with", writer.id]
    words += [] if wanted.format is None else ["--format", wanted.format]
    for option, path in (("--custom-objects", wanted.custom_objects), ("--inputs", wanted.inputs)):
        words += [] if path is None else [option, path.name]
    return words


def load_line(chosen: Attempt, code: Path | None) -> str:
    """How the new file is loaded. `code` is the file with the classes of its own."""
    arguments = "PATH" if code is None else f"PATH, custom_objects=…{code.name}"
    match chosen.way:
        case Way.NATIVE | Way.SAVEDMODEL:
            return f"tf.keras.models.load_model({arguments})"
        case Way.LEGACY:
            return f"TF_USE_LEGACY_KERAS=1, package tf-keras: tf.keras.models.load_model({arguments})"
        case Way.INFERENCE:
            return "tf.saved_model.load(PATH); in a Keras model: keras.layers.TFSMLayer(PATH, call_endpoint=…)"


def inputs_of(reference: Outcome, store: Store) -> list[dict[str, Any]]:
    """What both sides got, as the old file's observation says."""
    return list((_observed(reference, store).get("given") or {}).get("described") or [])


def _notes(done: Migrated, store: Store) -> list[str]:
    """What could not be compared, as the old file itself lacks it or layers draw it; how its writer had to load it."""
    observed = _observed(done.reference, store)
    notes = observed.get("notes") or {}
    found = [f"{name} not compared: {why}" for name, why in sorted(notes.items()) if "/" not in name]
    how = (observed.get("given") or {}).get("note")
    if how and how not in notes.values():
        found.append(how)
    silent = (observed.get("resume") or {}).get("silent")
    if silent:
        found.append(
            f"training compared without what {', '.join(silent)} draw: two versions of TensorFlow draw other numbers; "
            "how much they draw is part of the configuration"
        )
    return found


def _observed(reference: Outcome, store: Store) -> Mapping[str, Any]:
    from tfmatrix.checks.observation import Observation

    assert reference.observation is not None
    return Observation.read(store.folder(reference.observation)).document


def refusal(done: Migrated) -> tuple[str, str]:
    """Why nothing is handed over, and what to do: of the best way."""
    if done.reference.status != "ok":
        error = done.reference.error or {}
        said = _short(error.get("message") or done.reference.reason or "")
        kind = error.get("type") or done.reference.status
        return (
            f"{done.file.writer.id} itself cannot load it: {kind}: {said}",
            "give its own classes with --custom-objects FILE.py; or try another --saved-with",
        )
    reasons = [
        f"{each.way}: {failure(each)}"
        for each in done.attempts
        if each.level is not Level.WHOLE and (each.way is not Way.INFERENCE or each.level is Level.NOTHING)
    ]
    fix = next((each.fix for each in done.attempts if each.fix), "")
    if not fix and any(each.limits for each in done.attempts):
        fix = "predict with it here, and train on in the version that wrote it"
    if not fix:
        fix = "stay on the old version with this model, or rebuild it from its code"
        if done.file.subject.custom is None:
            fix = f"give its own classes, where it has some, with --custom-objects FILE.py; else {fix}"
    return "; ".join(reasons), fix


def failure(attempt: Attempt) -> str:
    """Why a way gives nothing to hand over, in words."""
    if attempt.problem:
        return attempt.problem
    for what, outcome in (("making it", attempt.made), ("loading it", attempt.loaded)):
        if outcome is not None and outcome.status != "ok":
            error = outcome.error or {}
            said = f"{error.get('type') or outcome.status}: {_short(error.get('message') or outcome.reason or '')}"
            return f"{what} ({outcome.phase or attempt.environment}): {said}"
    if attempt.record is None:
        return "nothing was measured"
    if attempt.record.error is not None:
        return f"{attempt.record.error.get('type')}: {_short(str(attempt.record.error.get('message')))}"
    why = f" ({'; '.join(attempt.limits)})" if attempt.limits else ""
    return f"{', '.join(attempt.record.failed_checks)} did not hold: {_short('; '.join(losses(attempt.record)))}{why}"


def _short(text: str, limit: int = 300) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= limit else f"{line[: limit // 2]} […] {line[-limit // 2 :]}"
