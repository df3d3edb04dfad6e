"""`model.save("m.h5")`: one HDF5 file, read by `keras.models.load_model`."""

from tfmatrix.worker.formats._promises import WHOLE_MODEL

ID = "h5"
ORDER = 10
ARTIFACT = "m.h5"
MODELS = "keras"
SAVE = "model.save(PATH)"

LOAD = "model = tf.keras.models.load_model(PATH, custom_objects=CUSTOM_OBJECTS)"
LOADER = "keras.models.load_model"
POLICY = "keras-file"
LOADS = "keras"
CHECKS = WHOLE_MODEL

FILES = {"hdf5": (".h5", ".hdf5", "")}
