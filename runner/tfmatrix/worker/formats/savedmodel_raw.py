"""The artifact of `savedmodel`, read without Keras: `tf.saved_model.load`."""

from tfmatrix.worker.formats._promises import FUNCTIONS

ID = "savedmodel-raw"
ORDER = 40
SAVER = "savedmodel"

LOAD = "model = tf.saved_model.load(PATH)"
LOADER = "tf.saved_model.load"
POLICY = "graph"
LOADS = "module"
CHECKS = FUNCTIONS

FILES = {"keras-savedmodel": ("",)}
