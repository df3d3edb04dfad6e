'''The formats: what a user calls to write a model and to read it. One file each; a new one is found by itself.

A file of this folder is only declarations, read without being run. A project's own formats lie in the folder `formats`
beside its scenarios, and look the same; a package brings some by the entry points `tfmatrix.formats`, each of which
names a module. What stands in a file:

    """One line: the title.

    More about it.
    """
    ID = "pickled"                      # in cell ids
    SAVER = "pickled"                   # optional: the format whose artifact it reads; none of those marked * then
    ARTIFACT = "m.pickle"               # * the file or folder that SAVE writes: the suffix decides what Keras writes
    MODELS = "keras"                    # * "keras": takes Keras models only; "any": takes any tf.Module
    REQUIRES = {"keras>=3": "reason"}   # * optional: what the writer must have, and what is said where it has not
    SAVE = """pickle.dump(…)"""         # * a user's plain call, which writes PATH
    LOAD = """model = …"""              # a user's plain call, which reads PATH
    LOADS = "keras"                     # what the call gives: see below
    LOADER = "pickle.load"              # its name in reports
    CHECKS = ("load", "outputs")        # what is promised: a loader is only asked for what it ought to bring back

    POLICY = "keras-file"               # optional: what of TensorFlow's version policy speaks of it: see below
    READING = "exact"                   # optional, where the loader computes with kernels that are not TensorFlow's
    FILES = {"zip": (".keras",)}        # optional: the model files that `check` reads with it
    ORDER = 1000                        # optional: its place in reports
    BY_NAME = True                      # optional: only for scenarios that name it, and for `check --loader`

Values are literals, names given before in the file, sums of them, and names imported from another format's file
(`from tfmatrix.worker.formats.h5 import CHECKS`).

In SAVE and LOAD, `tf`, `np`, `model`, and the functions of the scenario are there; PATH stands for the artifact,
CUSTOM_OBJECTS for what the scenario's user would pass (or None), and `build()` makes the model from the scenario's
code, compiled, with its variables created. Everything else is imported in the text. Every exception of TensorFlow and
Keras is let through: it is the finding.

LOADS: "keras", a Keras model. "module", an object of tf.saved_model.load, which may be callable, or may only have
signatures. "signature", a callable from one structure of tensors to a dictionary of named ones. "interpreter", a
tf.lite.Interpreter.

READING: the writer reads its artifact back, too. "exact": the outputs are the model's, up to rounding. "quantized":
they are not, by design, so that a reader's are compared with those that the writer read back.

POLICY: "graph" (a SavedModel as tf.saved_model.load has it), "keras-savedmodel" (of which Keras makes a model again),
"tfsm-layer", "keras-file", "checkpoint", "tflite". tfmatrix/checks/policy.toml says what is promised of each; a format
without it is promised nothing.

FILES: what a model file is, and the endings by which its loader knows it: "hdf5" and "weights" (HDF5 with and without
the model), "zip", "tflite"; of folders "keras-savedmodel", "savedmodel", "checkpoint", "weights-checkpoint".
'''
