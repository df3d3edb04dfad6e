"""A SavedModel's `serving_default`: what TensorFlow Serving, and code that has no model, calls."""

ID = "savedmodel-signature"
ORDER = 55
SAVER = "savedmodel"
BY_NAME = True

LOAD = """loaded = tf.saved_model.load(PATH)
model = loaded.signatures["serving_default"]
model.keeps = loaded  # its variables, which a signature alone does not keep"""
LOADER = "tf.saved_model.load(…).signatures"
POLICY = "graph"
LOADS = "signature"
CHECKS = ("load", "outputs", "warnings")
