from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tfmatrix.core.data import parse_json

VALUES = st.recursive(
    st.none() | st.integers() | st.text(alphabet='[]{}"\\ a'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='[]{}"\\'), inner, max_size=3),
    max_leaves=30,
)


def levels(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(levels, inner), default=0)


@given(VALUES, st.integers(0, 6), st.booleans(), st.sampled_from(["utf-8", "utf-16", None]))
def test_a_text_has_as_many_levels_as_its_value(value: Any, depth: int, escaped: bool, encoding: str | None) -> None:
    text = json.dumps(value, ensure_ascii=escaped)
    given = text if encoding is None else text.encode(encoding)
    if levels(value) > depth:
        with pytest.raises(ValueError, match=f"nested deeper than {depth} levels"):
            parse_json(given, depth=depth)
    else:
        assert parse_json(given, depth=depth) == value


@pytest.mark.parametrize("text", [b"\xff", b"", b"{", b"[" * 100_000, b'{"a":' * 100_000, "[" * 2000 + "]" * 2000])
def test_what_is_no_json_or_too_deep_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)
