"""The scenario's own `save_model` and `load_model`: whatever they write and return."""

from tfmatrix.worker.formats._promises import WHOLE_MODEL

ID = "custom"
ORDER = 150
ARTIFACT = "m"
MODELS = "any"
SAVE = "save_model(model, PATH)"

LOAD = "model = load_model(PATH)"
LOADER = "the scenario's load_model"
POLICY = "keras-file"
LOADS = "keras"
CHECKS = (*WHOLE_MODEL, "signatures")
