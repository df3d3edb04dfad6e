"""Pins of the kinds that projects have, resolved against the package index itself, and a project that must be built.

Few and quick: what needs no index is tested with one of this machine (tests/unit/envs).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tfmatrix.envs.installation import NotInstallable
from tfmatrix.envs.pins import read_pins
from tfmatrix.envs.releases import Index
from tfmatrix.envs.resolve import Named, Resolver
from tfmatrix.envs.uv import Uv
from tfmatrix.project.network import make_uv

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def uv() -> Uv:
    return make_uv()


def resolve(folder: Path, uv: Uv, *texts: str):
    named = []
    for number, text in enumerate(texts):
        (folder / f"{number}.txt").write_text(text)
        named.append(Named(file=Path(f"{number}.txt")))
    return Resolver(uv=uv, index=Index.of(uv), folder=folder, known={}, variables={}).resolve(named)


def test_a_neighbour_decides_protobuf(tmp_path, uv):
    (side,) = resolve(tmp_path, uv, "tensorflow==2.15.1\nmediapipe==0.10.9\n")
    assert "protobuf==3.20.3" in side.environment.with_packages


def test_a_package_that_needs_another_tensorflow_cannot_be_installed(tmp_path, uv):
    old, new = "tensorflow==2.14.1\ntensorflow-text==2.14.0\n", "tensorflow==2.15.1\ntensorflow-text==2.14.0\n"
    with pytest.raises(NotInstallable) as caught:
        resolve(tmp_path, uv, old, new)
    assert caught.value.number == 1
    assert "tensorflow-text==2.14.0 depends on tensorflow" in caught.value.reason[0]


def test_old_pins_have_the_newest_python_with_wheels_for_all(tmp_path, uv):
    text = "tensorflow==2.8.0\nkeras==2.8.0\nnumpy==1.20.1\nh5py==3.1.0\nprotobuf==3.19.1\n"
    (side,) = resolve(tmp_path, uv, text)
    assert side.environment.python == "3.9"


def test_a_setup_py_says_what_its_build_says(tmp_path, uv):
    (tmp_path / "needs.txt").write_text("tensorflow==2.15.1\n")
    (tmp_path / "setup.py").write_bytes(
        "# -*- coding: latin-1 -*-\n"
        "from setuptools import setup\n"
        "setup(name='service', version='1', author='Jörg', py_modules=[], python_requires='>=3.9,<3.12',\n"
        "      install_requires=open('needs.txt').read().split(),\n"
        "      extras_require={'text': ['tensorflow-text==2.15.0']})\n".encode("latin-1")
    )
    found = read_pins(tmp_path / "setup.py", uv)
    assert [(pin.requirement, pin.extra) for pin in found.pins] == [
        ("tensorflow==2.15.1", ""),
        ("tensorflow-text==2.15.0", "text"),
    ]
    assert found.python == "<3.12,>=3.9"
    # What setuptools makes beside it to tell so is not left there.
    assert {each.name for each in tmp_path.iterdir()} <= {"needs.txt", "setup.py", "cache"}
