"""`model.save("m.keras")`, read by `keras.models.load_model`.

A zip archive from Keras 2.13 on; before that `.keras` was another suffix of HDF5.
"""

from tfmatrix.worker.formats._promises import WHOLE_MODEL

ID = "keras"
ORDER = 20
ARTIFACT = "m.keras"
MODELS = "keras"
SAVE = "model.save(PATH)"

LOAD = "model = tf.keras.models.load_model(PATH, custom_objects=CUSTOM_OBJECTS)"
LOADER = "keras.models.load_model"
POLICY = "keras-file"
LOADS = "keras"
CHECKS = WHOLE_MODEL

FILES = {"hdf5": (".keras",), "zip": (".keras",)}
