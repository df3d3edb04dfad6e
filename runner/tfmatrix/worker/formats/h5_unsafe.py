"""The artifact of `h5`, read with `safe_mode=False`: for scenarios that ask what a loader executes."""

from tfmatrix.worker.formats._promises import WHOLE_MODEL

ID = "h5-unsafe"
ORDER = 12
SAVER = "h5"
BY_NAME = True

LOAD = "model = tf.keras.models.load_model(PATH, custom_objects=CUSTOM_OBJECTS, safe_mode=False)"
LOADER = "keras.models.load_model(safe_mode=False)"
POLICY = "keras-file"
LOADS = "keras"
CHECKS = WHOLE_MODEL
