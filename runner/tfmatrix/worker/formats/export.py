"""`model.export`: a SavedModel for inference only, read by `tf.saved_model.load`."""

from tfmatrix.worker.formats._promises import FUNCTIONS

ID = "export"
ORDER = 80
ARTIFACT = "m"
MODELS = "keras"
REQUIRES = {"keras>=2.13": "model.export came with Keras 2.13"}
SAVE = "model.export(PATH)"

LOAD = "model = tf.saved_model.load(PATH)"
LOADER = "tf.saved_model.load"
POLICY = "graph"
LOADS = "module"
CHECKS = FUNCTIONS
