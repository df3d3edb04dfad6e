"""`save_weights("ckpt")`: Keras 2's TF format, a checkpoint that holds the optimizer too, into a model from code."""

from tfmatrix.worker.formats._promises import WEIGHTS

ID = "weights-tf"
ORDER = 110
ARTIFACT = "w"
MODELS = "keras"
REQUIRES = {"keras<3": "Keras 3 writes weights to names that end in .weights.h5 only"}
SAVE = """\
import os

model.save_weights(os.path.join(PATH, "ckpt"))
"""

LOAD = """\
import os

model = build()
model.load_weights(os.path.join(PATH, "ckpt"))
"""
LOADER = "load_weights"
POLICY = "checkpoint"
LOADS = "keras"
CHECKS = (*WEIGHTS, "optimizer", "resume")

FILES = {"weights-checkpoint": ("",)}
