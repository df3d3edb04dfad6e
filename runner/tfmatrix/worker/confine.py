"""What keeps a job apart from the server, from its neighbours and from what comes after it. On Linux only.

A job is a stranger's program. Its process gets a user of its own where the server may give one (as root of a
container), a home and a folder for temporary files of its own, and loses what no model needs: debugging other
processes, memory that outlives it, keys, mounts. When it ends, so does everything that it started.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
import tempfile
import time
from typing import Dict, List, NamedTuple, Optional

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP = 1, 4, 22
_PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 24, 36, 38
_SECCOMP_MODE_FILTER = 2
_LIBC = ctypes.CDLL(None, use_errno=True)
_END_SECONDS = 5.0

_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_DENIED = {
    # name: number on x86_64, on aarch64 (None where there is none)
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "mount_setattr": (442, 442),
    "setns": (308, 268),
    "open_by_handle_at": (304, 265),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "kexec_load": (246, 104),
    "init_module": (175, 105),
    "finit_module": (313, 273),
}
"""What a job is refused, with EPERM: each reaches other processes, outlives its caller, or is of no use to a model."""


class Jail(NamedTuple):
    """A request's own place: `root` holds its jobs' folders, its home and its temporary files."""

    root: str
    uid: Optional[int]
    """The user that its process becomes; None where it stays the server's."""
    disk: int
    """Bytes that one file may have, and all together."""

    @property
    def home(self) -> str:
        """HOME."""
        return os.path.join(self.root, "home")

    @property
    def tmp(self) -> str:
        """TMPDIR."""
        return os.path.join(self.root, "tmp")

    def make(self) -> None:
        """Makes its folders; nobody else can open them where users are apart."""
        os.mkdir(self.root, 0o700)
        for folder in (self.home, self.tmp):
            os.mkdir(folder, 0o700)
            if self.uid is not None:
                os.chown(folder, self.uid, self.uid)
        if self.uid is not None:
            os.chown(self.root, self.uid, self.uid)

    def variables(self) -> Dict[str, str]:
        """What its process finds in its environment."""
        return {"HOME": self.home, "TMPDIR": self.tmp}

    def enter(self) -> None:
        """Makes this process, which must be a fresh child, one of the jail. There is no way back."""
        os.environ.update(self.variables())
        tempfile.tempdir = None  # remembered from before the fork
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.disk, self.disk))
        # A write beyond that is an error to report, not a death.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        if self.uid is not None:
            os.setgroups([])
            os.setresgid(self.uid, self.uid, self.uid)
            # From root to another user: every capability goes with it.
            os.setresuid(self.uid, self.uid, self.uid)
        elif _is_linux() and os.getuid() == 0:
            keep_only_file_capabilities()
        if _is_linux():
            # A change of user hides a process from itself, too: /proc/self would not be readable.
            _prctl(_PR_SET_DUMPABLE, 1)
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            _prctl(_PR_SET_NO_NEW_PRIVS, 1)
            deny_system_calls()


def protect_server() -> None:
    """Keeps jobs out of this process, and makes it the parent of what they leave behind."""
    if _is_linux():
        _prctl(_PR_SET_DUMPABLE, 0)
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def keep_only_file_capabilities() -> None:
    """Takes from root what reaches beyond files: other processes, the kernel, the network. Files stay root's."""

    class Header(ctypes.Structure):
        _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]

    class Sets(ctypes.Structure):
        _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]

    files = 0b11111  # CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID
    for capability in range(64):
        if not files >> capability & 1:
            # Without it, a program that root starts would get it back.
            _prctl(_PR_CAPBSET_DROP, capability)
    sets = (Sets * 2)(Sets(files, files, 0), Sets(0, 0, 0))
    _LIBC.capset(ctypes.byref(Header(0x20080522, 0)), sets)


def deny_system_calls() -> bool:
    """Refuses this process and all that it starts the calls of `_DENIED`; False where the kernel cannot."""
    if platform.machine() not in _ARCHITECTURES:
        return False
    program = _filter(*_ARCHITECTURES[platform.machine()])
    code = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    whole = Program(len(program) // 8, ctypes.addressof(code))
    return _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(whole)) == 0


def _filter(architecture: int, column: int) -> bytes:
    """The filter in classic BPF; see seccomp(2). Jumps are relative to the next instruction."""
    load, jump_equal, jump_at_least, answer = 0x20, 0x15, 0x35, 0x06
    allow, refuse = 0x7FFF0000, 0x00050001  # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO with EPERM
    numbers = sorted(numbers[column] for numbers in _DENIED.values())
    steps = [(load, 0, 0, 4), (jump_equal, 1, 0, architecture), (answer, 0, 0, refuse), (load, 0, 0, 0)]
    # The x32 calls of x86_64 have numbers of their own.
    steps.append((jump_at_least, len(numbers) + 1, 0, 0x40000000))
    for position, number in enumerate(numbers):
        steps.append((jump_equal, len(numbers) - position, 0, number))
    steps += [(answer, 0, 0, allow), (answer, 0, 0, refuse)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def may_change_user(uid: int) -> bool:
    """Whether a child of this process can become another user; tried in a child, before anything else runs."""
    if os.getuid() != 0 or not hasattr(os, "fork"):
        return False
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


def end_descendants() -> bool:
    """Ends every process that jobs have left behind, whatever its session; False where one does not go.

    As the first process of its namespace the server ends all others at once; else it finds them as its children, which
    orphans become (PR_SET_CHILD_SUBREAPER). The server must have no other children.
    """
    deadline = time.monotonic() + _END_SECONDS
    while not _reaped_all():
        if os.getpid() == 1:
            try:
                os.kill(-1, signal.SIGKILL)
            except ProcessLookupError:
                pass
        else:
            for pid in _children():
                try:
                    os.kill(pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    pass
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True


def _reaped_all() -> bool:
    """Takes note of ended children; whether none is left."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if not pid:
            return False


def _children() -> List[int]:
    """The living children of this process, of all its threads."""
    found: List[int] = []
    tasks = "/proc/self/task"
    if os.path.isdir(tasks):
        for task in os.listdir(tasks):
            try:
                with open(os.path.join(tasks, task, "children")) as stream:
                    found += [int(pid) for pid in stream.read().split()]
            except (IOError, OSError):
                continue  # the thread ended, or the kernel does not tell
    return found


def _prctl(option: int, *arguments: int) -> int:
    values = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    return int(_LIBC.prctl(ctypes.c_int(option), *values))


def _is_linux() -> bool:
    return sys.platform.startswith("linux")
