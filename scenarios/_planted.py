"""Plants code in model files whose only effect is a mark in the working folder; for the scenarios `executes_*`."""

import json
import os
import sys
import zipfile

MARK = "executed"
"""A file or folder that no job has of itself. Each load has a working folder of its own.

Lambdas write it out: in a file, their code has no globals of its module.
"""


def is_marked():
    """Whether planted code has run in this process's working folder."""
    return os.path.exists(MARK)  # noqa: PTH110


def is_imported(module):
    """Whether a module has been imported: to import is to run."""
    return module in sys.modules


def calling(name, module, function, inputs, **arguments):
    """A Lambda layer of Keras 3 that calls a function with arguments of the file's choice while it is loaded."""
    reference = {"module": module, "class_name": "function", "config": function, "registered_name": "function"}
    config = {"name": name, "trainable": True, "dtype": "float32", "function": reference, "arguments": arguments}
    return {
        "module": "keras.layers",
        "class_name": "Lambda",
        "registered_name": None,
        "name": name,
        "config": config,
        "build_config": {"input_shape": [None, 4]},
        "inbound_nodes": [{"args": [], "kwargs": {"inputs": inputs}}],
    }


def add_layers(path, *layers):
    """Adds layers to the configuration in a `.keras` archive; nothing of its model depends on them."""
    change_configuration(path, lambda config: config["config"]["layers"].extend(layers))


def change_configuration(path, change):
    """Changes the configuration in a `.keras` archive."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(files["config.json"])
    change(config)
    files["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
