"""`model.save("dir")`: Keras 2's TF format, a SavedModel with Keras metadata, read by `keras.models.load_model`."""

from tfmatrix.worker.formats._promises import WHOLE_MODEL

ID = "savedmodel"
ORDER = 30
ARTIFACT = "m"
MODELS = "keras"
REQUIRES = {"keras<3": "Keras 3 does not write SavedModel directories with model.save"}
SAVE = "model.save(PATH)"

LOAD = "model = tf.keras.models.load_model(PATH, custom_objects=CUSTOM_OBJECTS)"
LOADER = "keras.models.load_model"
POLICY = "keras-savedmodel"
LOADS = "keras"
CHECKS = WHOLE_MODEL

FILES = {"keras-savedmodel": ("",)}
