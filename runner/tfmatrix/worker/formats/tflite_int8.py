"""`tf.lite.TFLiteConverter` with integer quantization: weights and activations of 8 bits, `tf.lite.Interpreter`.

The converter with `Optimize.DEFAULT` and the scenario's inputs, row by row, as representative data. What has no
operation on integers stays float, and so do inputs and outputs.
"""

from tfmatrix.worker.formats.tflite import CHECKS, CONVERT, CONVERTER, LOAD, LOADER, LOADS, MODELS, POLICY

ID = "tflite-int8"
ORDER = 145
ARTIFACT = "m.tflite"
REPRESENTATIVE = """\
samples = inputs(np.random.RandomState(0))
named = samples if isinstance(samples, dict) else dict(enumerate(samples if isinstance(samples, list) else [samples]))


def representative():
    for row in range(min(len(each) for each in named.values())):
        rows = {name: each[row : row + 1] for name, each in named.items()}
        yield rows if isinstance(samples, dict) else list(rows.values())


converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.representative_dataset = representative
"""
SAVE = CONVERTER + REPRESENTATIVE + CONVERT
READING = "quantized"
