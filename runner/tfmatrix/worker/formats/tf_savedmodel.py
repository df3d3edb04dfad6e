"""`tf.saved_model.save`, read by `keras.models.load_model`."""

from tfmatrix.worker.formats._promises import WHOLE_MODEL

ID = "tf-savedmodel"
ORDER = 60
ARTIFACT = "m"
MODELS = "any"
SAVE = "tf.saved_model.save(model, PATH)"

LOAD = "model = tf.keras.models.load_model(PATH, custom_objects=CUSTOM_OBJECTS)"
LOADER = "keras.models.load_model"
POLICY = "keras-savedmodel"
LOADS = "keras"
CHECKS = WHOLE_MODEL
