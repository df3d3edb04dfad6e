"""`save_weights("m.weights.h5")`, loaded into a model rebuilt from code.

Before Keras 2.12 the name got the legacy layout.
"""

from tfmatrix.worker.formats._promises import WEIGHTS

ID = "weights-h5"
ORDER = 90
ARTIFACT = "m.weights.h5"
MODELS = "keras"
SAVE = "model.save_weights(PATH)"

LOAD = """\
model = build()
model.load_weights(PATH)
"""
LOADER = "load_weights"
POLICY = "keras-file"
LOADS = "keras"
CHECKS = WEIGHTS

FILES = {"weights": (".weights.h5",)}
