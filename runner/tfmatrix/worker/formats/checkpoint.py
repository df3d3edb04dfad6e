"""`tf.train.Checkpoint(model=…, optimizer=…)`, read into a model rebuilt from code.

Keras 2 restores slots when the optimizer makes them.
"""

_CHECKPOINT = '''\
import os


def checkpoint_of(model):
    """The model, and its optimizer where it has one."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return tf.train.Checkpoint(model=model)
    return tf.train.Checkpoint(model=model, optimizer=optimizer)


'''

ID = "checkpoint"
ORDER = 120
ARTIFACT = "c"
MODELS = "any"
SAVE = _CHECKPOINT + 'checkpoint_of(model).write(os.path.join(PATH, "ckpt"))'

LOAD = (
    _CHECKPOINT
    + """\
model = build()
checkpoint = checkpoint_of(model)
# TensorFlow 2.0 and 2.1 read what `write` wrote with the method that reads what `save` wrote.
read = getattr(checkpoint, "read", checkpoint.restore)
read(os.path.join(PATH, "ckpt"))
"""
)
LOADER = "tf.train.Checkpoint.read"
POLICY = "checkpoint"
LOADS = "keras"
CHECKS = ("load", "outputs", "weights", "optimizer", "resume", "warnings")

FILES = {"checkpoint": ("",)}
