"""A YAML file of somebody else: bounded in bytes, values and levels, and one clear error for each."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tfmatrix.core.errors import ConfigError
from tfmatrix.project.config.yamlfile import read_yaml

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "more than 100000 values"),
        ("a: " + "[" * 60 + "]" * 60, "more than 50 levels"),
        ("a: " + "[" * 100_000, "more than 50 levels"),
        ("a: " + "x" * (1 << 20), "the file has 1024 KB"),
        ("a: " + "9" * 10_000, "is not of the type int"),
    ],
    ids=["aliases", "levels", "levels without an end", "bytes", "digits"],
)
def test_what_blows_up_is_one_error_at_once(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "matrix.yaml"
    path.write_text(text)
    start = time.process_time()
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert time.process_time() - start < 5
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 20_000


def test_an_alias_is_read_where_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("a: &a [1, 2]\nb: *a\n")
    assert read_yaml(tmp_path / "f.yaml").data == {"a": [1, 2], "b": [1, 2]}
