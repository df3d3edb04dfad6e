"""`tf.lite.TFLiteConverter`, read by `tf.lite.Interpreter`: a model for phones, float as it was."""

CONVERTER = """\
import inspect

if isinstance(model, tf.keras.Model):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
else:
    functions = [model.__call__.get_concrete_function()]
    # From 2.7 on the converter asks for the object that owns the variables.
    owner = [model][: len(inspect.signature(tf.lite.TFLiteConverter.from_concrete_functions).parameters) - 1]
    converter = tf.lite.TFLiteConverter.from_concrete_functions(functions, *owner)
"""
CONVERT = """\
with open(PATH, "wb") as file:
    file.write(converter.convert())
"""

ID = "tflite"
ORDER = 130
ARTIFACT = "m.tflite"
MODELS = "any"
SAVE = CONVERTER + CONVERT

LOAD = """\
model = tf.lite.Interpreter(PATH)
model.allocate_tensors()
"""
LOADER = "tf.lite.Interpreter"
POLICY = "tflite"
LOADS = "interpreter"
CHECKS = ("load", "outputs", "signatures", "warnings")
READING = "exact"

FILES = {"tflite": (".tflite", "")}
