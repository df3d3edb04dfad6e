"""Inputs that are nearly right: what a reader accepts, with a few bytes, lines or values changed."""

from __future__ import annotations

import json
from random import Random
from typing import Any

TOKENS = (
    *(b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"\xf0\x9f\x92\xa9", b"\x1b[31m"),
    *(b"---\n", b"&a ", b"*a", b"<<: *a", b"!!python/object/apply:os.system ['true']", b"|\n", b">-\n", b": ", b"- "),
    *(b"{", b"}", b"[", b"]", b"'", b'"', b"?", b",", b"=", b"#", b"\\\n", b"\n", b"\t", b"\r", b"/", b"..", b"../"),
    *(b"[" * 3000, b"{a: " * 2000, b'{"a":' * 2000, b"(" * 3000, b"-" * 3000, b"[{" * 2000, b"a." * 3000),
    *(b"null", b"~", b"true", b".inf", b".nan", b"NaN", b"1e999", b"0x10", b"9" * 5000, b"-1", b"99999999999999999999"),
    *(b"2026-13-45", b"2026-01-01", b"2.x", b"latest", b"rc", b">=", b"==", b"===", b"~=", b"!=", b"2.15.*", b"1!2.0"),
    *(
        b"2.15.1+local",
        b";",
        b"python_version<'3'",
        b"@ file:///x",
        b"-r self.txt",
        b"-c /dev/null",
        b"-e .",
        b"*",
        b"**",
    ),
    *(b"[!a]", b"{a,b}", b"tag:", b"schema: 99", b"{a,b}" * 40, b"*a" * 60, b"?" * 500),
)

VALUES: tuple[Any, ...] = (None, 5, -1, 2**70, 1.5, 1e308, True, "x", "", "\u2028\x1b[31m", [], [[]], {}, {"a": None})


def mutated(data: bytes, random: Random) -> bytes:
    """The input after a few changes; where its lines are JSON, half of the time changes of its values."""
    if random.random() < 0.5:
        data = b"\n".join(_mutated_json(line, random) for line in data.split(b"\n"))
        if random.random() < 0.7:
            return data
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        changed = _changed(changed, random)
    return bytes(changed)


def _changed(data: bytearray, random: Random) -> bytearray:
    start = random.randrange(len(data) + 1)
    end = min(len(data), start + random.choice((1, 2, 5, 20, 100)))
    match random.randrange(7):
        case 0:
            data[start:end] = bytes([random.randrange(256)])
        case 1:
            del data[start:end]
        case 2:
            data[start:start] = random.choice(TOKENS)
        case 3:
            data[start:end] = random.choice(TOKENS)
        case 4:
            other = random.randrange(len(data) + 1)
            data[start:start] = data[other : other + random.choice((5, 50, 300))]
        case 5:
            del data[start:]
        case _:
            lines = data.split(b"\n")
            lines.insert(random.randrange(len(lines)), random.choice(lines))
            data = bytearray(b"\n".join(lines))
    return data


def _mutated_json(line: bytes, random: Random) -> bytes:
    if line[:1] not in (b"{", b"["):
        return line
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return line
    return json.dumps(_replaced(value, random, 0.5 ** random.randrange(2, 9))).encode()


def _replaced(value: Any, random: Random, chance: float) -> Any:
    """The value with some of what is in it replaced or left out."""
    if random.random() < chance / 4:
        return random.choice(VALUES)
    if isinstance(value, dict):
        return {key: _replaced(each, random, chance) for key, each in value.items() if random.random() > chance / 8}
    if isinstance(value, list):
        return [_replaced(each, random, chance) for each in value if random.random() > chance / 8]
    return value
