"""Keeps a process that loads a stranger's file away from the files and the network of its user, with Linux's Landlock.

See https://docs.kernel.org/userspace-api/landlock.html. It needs no rights and no program; what the kernel's version
does not know (TCP from 4 on, signals to other processes from 6 on) stays open.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from typing import Iterable, Iterator

_LIBC = ctypes.CDLL(None, use_errno=True)
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

# LANDLOCK_ACCESS_FS_*: EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, then all that changes folders, REFER, TRUNCATE, IOCTL.
_READ = 1 << 0 | 1 << 2 | 1 << 3
_OF_FILES = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15
_HANDLED = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""All rights over files that a version knows; a later one has those of 5."""
_TCP = 1 << 0 | 1 << 1
_SCOPES = 1 << 0 | 1 << 1
"""Abstract sockets and signals of processes that are not confined with this one."""

SYSTEM = (
    *("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/proc", "/sys", "/dev/urandom", "/dev/random", "/dev/zero"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf"),
    *("/etc/localtime", "/etc/timezone", "/etc/mime.types", "/etc/os-release", "/etc/alternatives"),
)
"""What programs read of a system. Nothing of it is a user's."""
SHARED = ("/dev/null", "/dev/shm")
"""What is written beside the own folder."""


def abi() -> int:
    """The version of Landlock that the kernel has; 0 where there is none."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, int(_LIBC.syscall(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)))


def confine(own: str, reads: Iterable[str]) -> bool:
    """Lets this process write below `own` alone, and read that, the system and `reads`; no TCP, no signals to others.

    False, and nothing done, where the kernel has no Landlock. There is no way back.
    """
    version = abi()
    if not version:
        return False
    handled = _HANDLED[min(version, 5)]
    fields = [handled, _TCP, _SCOPES][: 1 if version < 4 else 2 if version < 6 else 3]
    attributes = struct.pack("=%dQ" % len(fields), *fields)
    rules = int(_LIBC.syscall(_CREATE_RULESET, attributes, len(attributes), 0))
    if rules < 0:
        return False
    try:
        for path in (own, *SHARED):
            _allow(rules, path, handled)
        for path in (*SYSTEM, *reads):
            _allow(rules, path, _READ)
        _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        return int(_LIBC.syscall(_RESTRICT_SELF, rules, 0)) == 0
    finally:
        os.close(rules)


def _allow(rules: int, path: str, access: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no rule
    try:
        if not os.path.isdir(path):
            access &= _OF_FILES
        rule = struct.pack("=Qi", access, place)
        _LIBC.syscall(_ADD_RULE, rules, _RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(place)


def paths_in(value: object) -> Iterator[str]:
    """The absolute paths anywhere in what a job was given: the host's own words, so that a job may read them."""
    if isinstance(value, str):
        if value.startswith("/"):
            yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from paths_in(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from paths_in(each)
