"""`save_weights("w.h5")`: Keras 2's HDF5 layout, loaded into a model rebuilt from code."""

from tfmatrix.worker.formats._promises import WEIGHTS

ID = "weights-h5-legacy"
ORDER = 100
ARTIFACT = "w.h5"
MODELS = "keras"
REQUIRES = {"keras<3": "Keras 3 writes weights to names that end in .weights.h5 only"}
SAVE = "model.save_weights(PATH)"

LOAD = """\
model = build()
model.load_weights(PATH)
"""
LOADER = "load_weights"
POLICY = "keras-file"
LOADS = "keras"
CHECKS = WEIGHTS

FILES = {"weights": (".h5", ".hdf5", "")}
