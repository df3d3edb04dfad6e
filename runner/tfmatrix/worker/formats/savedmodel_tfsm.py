"""The artifact of `savedmodel`, read as a layer: `keras.layers.TFSMLayer`, Keras 3's way to a SavedModel."""

from tfmatrix.worker.formats._promises import WEIGHTS

ID = "savedmodel-tfsm"
ORDER = 50
SAVER = "savedmodel"

LOAD = 'model = tf.keras.layers.TFSMLayer(PATH, call_endpoint="serving_default")'
LOADER = "keras.layers.TFSMLayer"
POLICY = "tfsm-layer"
LOADS = "signature"
CHECKS = WEIGHTS

FILES = {"keras-savedmodel": ("",)}
