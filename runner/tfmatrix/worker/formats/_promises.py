"""What several formats promise to bring back. Not a format: its name begins with an underscore."""

WHOLE_MODEL = ("load", "outputs", "weights", "config", "compile", "optimizer", "resume", "warnings")
"""Everything: `model.save` and `keras.models.load_model`."""

FUNCTIONS = ("load", "outputs", "weights", "signatures", "warnings")
"""Functions and variables: there is no Keras model in what `tf.saved_model.load` returns."""

WEIGHTS = ("load", "outputs", "weights", "warnings")
"""Weights alone; everything else is in the code."""
