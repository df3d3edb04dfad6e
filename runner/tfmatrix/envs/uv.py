"""Runs uv, the one program that resolves and installs packages here, and tells its failures apart."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uv

from tfmatrix.core.errors import InfrastructureError
from tfmatrix.envs.index import index_environment

TIME_LIMIT = 3600
"""Seconds for one run of uv; each single request has its own, much shorter limit (`Network.timeout`)."""

TAIL_LINES = 15
"""How much of what uv said goes into an error: its explanations stand at the end."""

_FULL_DISK = re.compile(r"No space left on device|os error 28|Disk quota exceeded|os error 122", re.IGNORECASE)
_NO_NETWORK = re.compile(
    r"network was disabled|Failed to fetch|error sending request|dns error|tcp connect error|Connection re(fused|set)"
    r"|timed? ?out|error trying to connect|network connectivity|tunnel error|certificate",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Network:
    """How packages may be fetched; `timeout` is in seconds, of one request."""

    offline: bool = False
    timeout: int = 60


@dataclass(frozen=True, kw_only=True)
class UvResult:
    """What one run of uv left behind."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def succeeded(self) -> bool:
        """Whether uv did what it was asked to."""
        return self.exit_code == 0

    @property
    def is_unsolvable(self) -> bool:
        """Whether the index answered and no set of packages fits: a matter of the pins, not of the network."""
        return "No solution found" in self.stderr and "network was disabled" not in self.stderr

    @property
    def is_of_network(self) -> bool:
        """Whether uv got no answer, or asked for none because it was offline."""
        return _NO_NETWORK.search(self.stderr) is not None

    @property
    def explanation(self) -> str:
        """The last lines of what uv said, indented for an error message."""
        lines = [line.rstrip() for line in self.stderr.splitlines() if line.strip()]
        return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])


def find_uv() -> Path:
    """The uv of this installation: the one that the project depends on, wherever PATH points."""
    try:
        return Path(uv.find_uv_bin())
    except FileNotFoundError as error:
        raise InfrastructureError(
            f"The package uv is installed without its program: {error}",
            expected="uv, as installed with tfmatrix",
            fix="python -m pip install --force-reinstall uv",
        ) from error


@dataclass(frozen=True, kw_only=True)
class Uv:
    """uv with one cache and one way to the network. Tests put a script in the place of `executable`.

    `index_options` are those of a requirements file ("--extra-index-url …"), which say more than the host's settings.
    """

    cache: Path
    network: Network = Network()
    executable: Path = field(default_factory=find_uv)
    index_options: tuple[str, ...] = field(default=(), repr=False)

    def variables(self) -> dict[str, str]:
        """The variables that uv runs with, here and in a container: index, proxy, certificates, cache, limits."""
        result = index_environment(os.environ, self.index_options)
        result.setdefault("UV_HTTP_TIMEOUT", str(self.network.timeout))
        if self.network.offline:
            result["UV_OFFLINE"] = "1"
        return result | {
            "UV_CACHE_DIR": str(self.cache.absolute()),
            # 60 s by default, for a child that compiles 5000 files beside others on a busy machine.
            "UV_COMPILE_BYTECODE_TIMEOUT": "600",
            "UV_NO_PROGRESS": "1",
            # A Python that uv fetches stays among uv's own: no link to it appears in a folder of the user's PATH.
            "UV_PYTHON_INSTALL_BIN": "0",
            "NO_COLOR": "1",
        }

    def run(self, arguments: Sequence[str], variables: Mapping[str, str] | None = None) -> UvResult:
        """Runs `uv ARGUMENTS...` in an empty folder, so that no project's own uv settings are found.

        Paths among the arguments must be absolute; `variables` are those of a program that uv runs. Whatever the
        caller's umask, others may read what is installed: containers run as another user.
        Raises InfrastructureError where uv cannot be started or does not end; a failing uv is a result.
        """
        make_folder(self.cache)
        try:
            with tempfile.TemporaryDirectory(prefix="tfmatrix-uv-") as folder:
                process = subprocess.run(
                    [str(self.executable), *arguments],
                    cwd=folder,
                    env=_clean_environment() | self.variables() | dict(variables or {}),
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    encoding="utf-8",
                    errors="replace",
                    timeout=TIME_LIMIT,
                    umask=0o022 if os.name == "posix" else -1,
                    check=False,
                )
        except subprocess.TimeoutExpired as error:
            raise InfrastructureError(
                f"uv did not end within {TIME_LIMIT} s: uv {' '.join(arguments)}",
                fix="try again; if it hangs again, run this command by hand to see where",
            ) from error
        except OSError as error:
            raise InfrastructureError(
                f"uv cannot be started: {error}", fix="python -m pip install --force-reinstall uv"
            ) from error
        return UvResult(exit_code=process.returncode, stdout=process.stdout, stderr=process.stderr)

    def failure(self, what: str, result: UvResult) -> InfrastructureError:
        """The error for a run of uv that failed through no fault of the pins: which kind of failure, and what helps."""
        # Killed from outside, uv says nothing: subprocess gives the signal's number below zero.
        end = f"signal {-result.exit_code}" if result.exit_code < 0 else f"exit code {result.exit_code}"
        said = f"{what}\n{result.explanation or f'    uv ended without a word, by {end}'}"
        if _FULL_DISK.search(result.stderr):
            return disk_full(self.cache.parent, said)
        if "Hash mismatch" in result.stderr:
            return InfrastructureError(
                said,
                expected="the very files that the lock names",
                fix="find out why the package index serves another file; only then renew the lock (tfmatrix lock ID)",
            )
        if self.network.offline:
            return InfrastructureError(said, fix="run once with the network allowed (defaults.network.offline: false)")
        if result.is_of_network:
            return InfrastructureError(
                said,
                expected="a package index that answers",
                fix="check the network, the proxy (HTTPS_PROXY), the certificates (SSL_CERT_FILE) and the index "
                "(UV_DEFAULT_INDEX or PIP_INDEX_URL), then run again: what was finished is kept",
            )
        return InfrastructureError(said, fix="the lines above are uv's own; run again after mending what they name")


def disk_full(folder: Path, what: str) -> InfrastructureError:
    """The error for a full disk below the cache `folder`."""
    return InfrastructureError(
        what,
        expected=f"room in {folder}: up to 3 GB for one environment and its downloads",
        fix="tfmatrix env prune, free some room, or let TFMATRIX_CACHE name a folder on a larger disk",
    )


def make_folder(folder: Path) -> Path:
    """Makes a folder of the cache, readable by all whatever the umask (which its parents follow); returns it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.name == "posix" and folder.stat().st_mode & 0o055 != 0o055:
            folder.chmod(0o755)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(folder.parent, f"{folder} cannot be made: {error.strerror}") from error
        raise InfrastructureError(
            f"{folder} cannot be made: {error.strerror}",
            expected="a cache folder that may be written",
            fix="let TFMATRIX_CACHE name a folder that you may write",
        ) from error
    return folder


def _clean_environment() -> dict[str, str]:
    """The environment of this process without what would steer uv or a package's build from outside."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("UV_", "PIP_", "PYTHON", "CONDA_")) and name != "VIRTUAL_ENV"
    }
