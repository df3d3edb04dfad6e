"""Two packages of the package index that build Keras models, in a user's project: one among its pins, one as its own.

Whoever breaks a module that a scenario imports is not told SAFE any more, whatever the store holds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from real_project import Finished

# Two environments that nothing else uses: `--slow`.
pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(1800)]

PINS = "tensorflow=={}\nkeras-tcn==3.5.6\npillow==10.4.0\n"

SEGMENTATION = '''\
"""The U-net that segments pictures."""
from keras_unet_collection.models import unet_2d

FORMATS = ("h5", "savedmodel")


def build_model():
    return unet_2d((16, 16, 3), [4, 8], n_labels=2, batch_norm=True)


def inputs(rng):
    return rng.uniform(size=(4, 16, 16, 3)).astype("float32")
'''
SERIES = '''\
"""The temporal convolutions that forecast a series."""
from tcn import TCN, compiled_tcn

FORMATS = ("h5", "savedmodel")


def build_model():
    return compiled_tcn(2, 1, nb_filters=4, kernel_size=3, dilations=[1, 2], nb_stacks=1, max_len=8, regression=True)


def inputs(rng):
    return rng.normal(size=(4, 8, 2)).astype("float32")


def custom_objects():
    return {"TCN": TCN}
'''


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("service")
    (folder / "old.txt").write_text(PINS.format("2.12.1"))
    (folder / "requirements.txt").write_text(PINS.format("2.15.1"))
    (folder / "scenarios").mkdir()
    (folder / "scenarios/segmentation.py").write_text(SEGMENTATION)
    (folder / "scenarios/series.py").write_text(SERIES)
    install(folder / "src", "keras-unet-collection==0.1.13")
    return folder


def install(target: Path, requirement: str) -> None:
    command = ["uv", "pip", "install", "-q", "--python", sys.executable, "--no-deps", "--target", str(target)]
    subprocess.run([*command, requirement], check=True, timeout=120)


def upgrade(folder: Path, *arguments: str, after: str = "requirements.txt") -> tuple[Finished, dict]:
    command = [sys.executable, "-m", "tfmatrix", "upgrade", "--from", "old.txt", "--to", after]
    command += ["--no-alternative", "--json", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1500, check=False)
    return Finished(done.returncode, done.stdout, done.stderr), json.loads(done.stdout)


def test_both_are_safe_until_a_module_of_theirs_is_broken(project):
    done, answer = upgrade(project)
    assert (done.code, answer["verdict"]) == (0, "SAFE"), done.stderr

    # One that the environments hold, taken into the project and changed there: it is imported instead.
    install(project / "src", "keras-tcn==3.5.6")
    module = project / "src/tcn/tcn.py"
    dropped = "config['nb_filters'] = self.nb_filters if tf.__version__ < '2.15' else 1"
    module.write_text(module.read_text().replace("config['nb_filters'] = self.nb_filters", dropped))
    done, answer = upgrade(project, "--scenario", "series", "--format", "h5")
    assert (done.code, answer["verdict"]) == (1, "SAFE WITH CHANGES"), done.stdout + done.stderr

    # Broken for both sides: nothing is known of it, and the exception is shown.
    module = project / "src/keras_unet_collection/layer_utils.py"
    module.write_text(module.read_text().replace("def CONV_output(", "def CONV_out("))
    done, answer = upgrade(project, "--scenario", "segmentation", "--format", "h5")
    assert (done.code, answer["verdict"]) == (3, "UNKNOWN"), done.stdout + done.stderr
    assert "name 'CONV_output' is not defined" in done.stdout


def test_a_release_that_was_built_on_a_mac_is_not_installable(project):
    # The wheel of 3.5.7 asks for tensorflow-macos, whatever the machine.
    (project / "new.txt").write_text(PINS.format("2.15.1").replace("3.5.6", "3.5.7"))
    done, answer = upgrade(project, after="new.txt")
    assert (done.code, answer["verdict"]) == (2, "NOT INSTALLABLE"), done.stderr
    assert "tensorflow-macos" in " ".join(answer["not_installable"]["reason"])
