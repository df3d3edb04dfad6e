"""Which TensorFlow loads what which TensorFlow saved: an image per version, a container per save and per load.

    python matrix.py 2.15.1 2.21.0 [--models dense …] [--formats h5 keras savedmodel] [--jobs 2]

What one writes in an afternoon with the docker package, for the benchmark to stand beside: it shares no code with
tfmatrix. Prints a line per cell, then one of JSON: {"cells": {"MODEL/FORMAT/WRITER/READER": status}, "saves", "loads",
"seconds": wall time of all steps without building images, "own_seconds": of the steps inside without TensorFlow's
import, "save_seconds" and "load_seconds": of the steps, each with its container}.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIMIT = 900


def build_image(client, version, options):
    """FROM the base, pip install; the reference of the image."""
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        lines = [f"FROM {options.base}"]
        pip = ["python", "-m", "pip", "install", "--no-cache-dir"]
        if options.cert:
            shutil.copy(options.cert, context / "cert.pem")
            lines.append("COPY cert.pem /etc/pip-cert.pem")
            pip += ["--cert", "/etc/pip-cert.pem"]
        if options.requirements:
            shutil.copy(options.requirements / f"{version}.txt", context / "requirements.txt")
            lines.append("COPY requirements.txt /etc/requirements.txt")
            pip += ["--no-deps", "-r", "/etc/requirements.txt"]
        else:
            pip.append(f"tensorflow=={version}")
        # Without a shell: a base image need not have one.
        (context / "Dockerfile").write_text("\n".join([*lines, f"RUN {json.dumps(pip)}"]))
        tag = f"naive-tensorflow:{version}"
        client.images.build(path=folder, tag=tag, rm=True, forcerm=True)
        return tag


def run_container(client, image, arguments, artifacts):
    """What a step prints, from a container of its own."""
    container = client.containers.run(
        image,
        ["python", "/naive/step.py", *arguments],
        volumes={str(HERE): {"bind": "/naive", "mode": "ro"}, str(artifacts): {"bind": "/artifacts", "mode": "rw"}},
        detach=True,
        network_mode="none",
    )
    try:
        container.wait(timeout=LIMIT)
        return container.logs(stderr=False).decode()
    finally:
        container.remove(force=True)


def run_process(python, arguments):
    """What a step prints, from a process of its own."""
    command = [python, str(HERE / "step.py"), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=LIMIT).stdout


class Matrix:
    def __init__(self, options, artifacts):
        self.options = options
        self.artifacts = artifacts
        self.pythons = dict(options.python)
        self.images = dict(options.image)
        self.client = None
        self.own_seconds = 0.0
        if not all(version in self.pythons for version in options.versions):
            import docker

            self.client = docker.from_env(timeout=3600)

    def build(self):
        for version in self.options.versions:
            if version not in self.pythons and version not in self.images:
                begun = time.monotonic()
                self.images[version] = build_image(self.client, version, self.options)
                print(f"image of {version}: {time.monotonic() - begun:.0f} s", file=sys.stderr)

    def step(self, version, action, model, kind, folder):
        """The status of a step."""
        inside = self.artifacts if version in self.pythons else Path("/artifacts")
        # A model's name may have a number behind it: the three are repeated to make more.
        arguments = [action, model.partition(".")[0], kind, str(inside / folder)]
        begun = time.monotonic()
        try:
            if version in self.pythons:
                output = run_process(self.pythons[version], arguments)
            else:
                output = run_container(self.client, self.images[version], arguments, self.artifacts)
            result = json.loads(output.splitlines()[-1])
        except Exception as error:  # noqa: BLE001
            result = {"status": "error", "seconds": 0.0, "error": f"no result: {error}"}
        self.own_seconds += result["seconds"]
        return result, time.monotonic() - begun

    def save(self, job):
        model, kind, writer = job
        folder = f"{model}/{kind}/{writer}"
        (self.artifacts / folder).mkdir(parents=True)
        return self.step(writer, "save", model, kind, folder)

    def load(self, job):
        model, kind, writer, reader = job
        return self.step(reader, "load", model, kind, f"{model}/{kind}/{writer}")


def pair(text):
    version, _, value = text.partition("=")
    return version, value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", nargs="+")
    parser.add_argument("--models", nargs="+", default=["dense", "optimizer_state", "custom_layer_add_weight"])
    parser.add_argument("--formats", nargs="+", default=["h5", "keras", "savedmodel"])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--base", default="python:3.11-slim", help="image that TensorFlow is installed into")
    parser.add_argument("--requirements", type=Path, help="folder with VERSION.txt to install, in place of tensorflow")
    parser.add_argument("--cert", help="certificate of the index, where the base image has none")
    parser.add_argument("--image", nargs="*", type=pair, default=[], help="VERSION=TAG that is there already")
    parser.add_argument("--python", nargs="*", type=pair, default=[], help="VERSION=PATH: no container, a process each")
    parser.add_argument("--sample", type=int, help="only so many saves, drawn at random, each with all of its loads")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="naive-") as folder:
        matrix = Matrix(options, Path(folder))
        matrix.build()
        saves = list(product(options.models, options.formats, options.versions))
        if options.sample and options.sample < len(saves):
            saves = sorted(random.Random(0).sample(saves, options.sample))
        loads = [(*save, reader) for save in saves for reader in options.versions]
        begun = time.monotonic()
        with ThreadPoolExecutor(options.jobs) as pool:
            saved = dict(zip(saves, pool.map(matrix.save, saves), strict=True))
            loadable = [load for load in loads if saved[load[:3]][0]["status"] == "ok"]
            loaded = dict(zip(loadable, pool.map(matrix.load, loadable), strict=True))
        seconds = time.monotonic() - begun

    cells = {}
    for load in loads:
        result = loaded[load][0] if load in loaded else {"status": "not saved", "error": saved[load[:3]][0]["error"]}
        cells["/".join(load)] = result["status"]
        print(f"{'/'.join(load):<60} {result['status']:<10} {result.get('error', '')[:80]}", file=sys.stderr)
    figures = {
        "cells": cells,
        "saves": len(saves),
        "loads": len(loaded),
        "seconds": seconds,
        "own_seconds": matrix.own_seconds,
        "save_seconds": sum(each for _, each in saved.values()) / max(1, len(saved)),
        "load_seconds": sum(each for _, each in loaded.values()) / max(1, len(loaded)),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
