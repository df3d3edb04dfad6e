"""`tf.lite.TFLiteConverter` with dynamic-range quantization: weights of 8 bits, read by `tf.lite.Interpreter`.

The converter with `Optimize.DEFAULT` and no representative data.
"""

from tfmatrix.worker.formats.tflite import CHECKS, CONVERT, CONVERTER, LOAD, LOADER, LOADS, MODELS, POLICY

ID = "tflite-dynamic"
ORDER = 140
ARTIFACT = "m.tflite"
SAVE = CONVERTER + "converter.optimizations = [tf.lite.Optimize.DEFAULT]\n" + CONVERT
READING = "quantized"
