"""The artifact of `tf-savedmodel`, read without Keras: `tf.saved_model.load`."""

from tfmatrix.worker.formats._promises import FUNCTIONS

ID = "tf-savedmodel-raw"
ORDER = 70
SAVER = "tf-savedmodel"

LOAD = "model = tf.saved_model.load(PATH)"
LOADER = "tf.saved_model.load"
POLICY = "graph"
LOADS = "module"
CHECKS = FUNCTIONS

FILES = {"savedmodel": ("",)}
