"""A `.keras` file whose class is looked up in a module that is imported for it.

To look a custom object up, Keras imports the module that the configuration names, and to import a module is to run it.
The module `this` of Python prints a poem.
"""

import tensorflow as tf
from _planted import change_configuration, is_imported

FORMATS = ("keras",)
REQUIRES = "keras>=2.13"
TAGS = ("executes",)


def build_model():
    features = tf.keras.Input((4,))
    return tf.keras.Model(features, tf.keras.layers.Dense(2)(features))


def inputs(rng):
    return rng.uniform(size=(3, 4)).astype("float32")


def plant(path):
    change_configuration(path, lambda config: config.update(module="this", class_name="Planted"))


def executed():
    return is_imported("this")
