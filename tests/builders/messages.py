"""Messages of TensorFlow and Keras, and what reports make of them."""

from __future__ import annotations

# What TensorFlow 2.12.1, 2.15.1, 2.16.2 (Keras 3.4.1) and 2.21.0 (Keras 3.15.1) really said, configs shortened.
DEPTHWISE = (
    "Error when deserializing class 'DepthwiseConv2D' using config={'name': 'depthwise_conv2d', 'trainable': True, "
    "'kernel_size': [3, 3], 'groups': 1, 'bias_initializer': {'class_name': 'Zeros', 'config': {}}}.\n\n"
    "Exception encountered: Unrecognized keyword arguments passed to DepthwiseConv2D: {'groups': 1}"
)
NESTED = (
    "<class 'keras.src.models.functional.Functional'> could not be deserialized properly. Please ensure that "
    "components that are Python object instances (layers, models, etc.) returned by `get_config()` are explicitly "
    "deserialized in "
    "the model's `from_config()` method.\n\nconfig={'module': 'keras.src.models.functional', 'class_name': "
    "'Functional', 'config': {}, 'registered_name': 'Functional', 'build_config': {'input_shape': None}}.\n\n"
    "Exception encountered: <class 'keras.src.layers.core.dense.Dense'> could not be deserialized properly. Please "
    "ensure that components that are Python object instances (layers, models, etc.) returned by `get_config()` are "
    "explicitly deserialized in the model's `from_config()` method.\n\nconfig={'module': 'keras.layers', 'class_name': "
    "'Dense', 'config': {'name': 'dense', 'activation': {'module': 'builtins', 'config': 'my_act'}}}.\n\n"
    "Exception encountered: Could not locate function 'my_act'. Make sure custom classes and functions are decorated "
    "with `@keras.saving.register_keras_serializable()`. Full object config: {'module': 'builtins', 'class_name': "
    "'function', 'config': 'my_act', 'registered_name': 'function'}"
)
VARIABLES = (
    "A total of 1 objects could not be loaded. Example error message for object <Dense name=dense_1, built=True>:\n\n"
    "Layer 'dense_1' expected 2 variables, but received 0 variables during loading. Expected: ['kernel', 'bias']\n\n"
    "List of objects that could not be loaded:\n[<Dense name=dense_1, built=True>]"
)
OWN_VARIABLES = VARIABLES.replace("Dense", "MyCustomLayer").replace("dense_1", "my_custom_layer").replace(
    "expected 2 variables, but received 0", "expected 0 variables, but received 1"
)  # fmt: skip
FORMAT = (
    "File format not supported: filepath=/tmp/x/dense/savedmodel/m. Keras 3 only supports V3 `.keras` files, legacy H5 "
    "format files (`.h5` extension). Note that the legacy SavedModel format is not supported by `load_model()` in "
    "Keras 3. In order to reload a TensorFlow SavedModel as an inference-only layer in Keras 3, use "
    "`keras.layers.TFSMLayer(/tmp/x/dense/savedmodel/m, call_endpoint='serving_default')`."
)
UNKNOWN = (
    "Unknown layer: '{}'. Please ensure you are using a `keras.utils.custom_object_scope` and that this object is "
    "included in the scope. See https://www.tensorflow.org/guide/keras/save_and_serialize for details."
)
REVIVE = (
    "<class 'models.Sub'> could not be deserialized properly.\n\nconfig={'module': 'models'}.\n\n"
    "Exception encountered: Unable to revive model from config. When overriding the `get_config()` method, make "
    "sure that the returned config "
    "contains all items used as arguments in the  constructor to <class 'models.Sub'>, which is the default behavior."
    "\n\nReceived config={'trainable': True}\n\nError encountered during deserialization: Sub.__init__() got an "
    "unexpected keyword argument 'trainable'"
)

TITLES = [
    (DEPTHWISE, "`DepthwiseConv2D` got an unknown argument `groups`"),
    (
        "Unrecognized keyword arguments passed to LSTM: {'time_major': False}",
        "`LSTM` got an unknown argument `time_major`",
    ),
    (
        "Unrecognized keyword arguments passed to MultiHeadAttention: {'query_shape': [None, 4], 'key_shape': [None]}",
        "`MultiHeadAttention` got unknown arguments `key_shape`, `query_shape`",
    ),
    (
        "Unrecognized keyword arguments passed to MyConv: {'kernel': {'class_name': 'Zeros', 'config': {}}}",
        "a class of the scenario got an unknown argument `kernel`",
    ),
    ("__init__() got an unexpected keyword argument 'reduction'", "a layer got an unknown argument `reduction`"),
    (REVIVE, "a class of the scenario got an unknown argument `trainable`"),
    (NESTED, "the loader does not know the scenario's own function"),
    (
        "module 'keras.api._v2.keras.layers' has no attribute 'TFSMLayer'",
        "this version has no `keras.layers.TFSMLayer`",
    ),
    (
        "module 'tensorflow_core.keras.layers' has no attribute 'TFSMLayer'",
        "this version has no `keras.layers.TFSMLayer`",
    ),
    (
        "Could not translate MLIR to FlatBuffer. UNKNOWN: /project/tflite.py:64:1: error: 'tf.StringLower' op is "
        "neither a custom op nor a flex op\n        file.write(converter.convert())",
        "TFLite has no operation of its own for `tf.StringLower`",
    ),
    *(
        (message, "a layer of the scenario's own has arguments and no `get_config`")
        for message in (
            "Layers with arguments in `__init__` must override `get_config`.",
            "Layer MyCustomLayer has arguments in `__init__` and therefore must override `get_config`.",
            "\nLayer MyCustomLayer has arguments ['self', 'units']\nin `__init__` and therefore must override "
            "`get_config()`.\n\nExample:\n\nclass CustomLayer(keras.layers.Layer):\n",
        )
    ),
    *(
        (
            f"Unknown variable: <{variable}>. This optimizer can only be called for the variables it was originally "
            "built with. When working with a new set of variables, you should recreate a new optimizer instance.",
            "the optimizer was built with other variables than those of the model",
        )
        for variable in (
            "KerasVariable shape=(4, 6), dtype=float32, path=dense/kernel",
            "Variable path=dense/kernel, shape=(2, 2), dtype=float32, value=[[0.1 0.2]\n [0.3 0.4]]",
        )
    ),
    (
        "Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'. An older version of this builtin might be "
        "supported. Are you using an old TFLite binary with a newer model?\nRegistration failed.\n",
        "the interpreter has no `FULLY_CONNECTED` of version 12",
    ),
    (UNKNOWN.format("MyCustomLayer"), "the loader does not know the scenario's own layer"),
    (UNKNOWN.format("my_package>MyLayer"), "the loader does not know the scenario's own layer"),
    (UNKNOWN.format("TFOpLambda"), "the loader does not know the layer `TFOpLambda`"),
    (
        "Could not locate class 'Sub'. Make sure custom classes and functions are decorated with "
        "`@keras.saving.register_keras_serializable()`. Full object config: {'module': 'models', 'class_name': 'Sub'}",
        "the loader does not know the scenario's own class",
    ),
    (
        "Could not locate class 'GRU'. Make sure custom classes and functions are decorated. Full object config: {}",
        "the loader does not know the class `GRU`",
    ),
    ("Could not locate function 'mse'. Make sure custom classes", "the loader does not know the function `mse`"),
    (
        "Could not interpret activation function identifier: my_act",
        "the loader does not know the scenario's own activation function",
    ),
    (
        "Could not interpret activation function identifier: {'module': 'builtins', 'class_name': 'function', "
        "'config': 'my_act', 'registered_name': 'function'}",
        "the loader does not know the scenario's own activation function",
    ),
    (
        "Could not deserialize 'keras.metrics.mse' because it is not a KerasSaveable subclass",
        "`keras.metrics.mse` is refused, because it is no KerasSaveable class",
    ),
    (
        "Could not deserialize class 'Functional' because its parent module keras.src.engine.functional cannot be "
        "imported. Full object config: {'module': 'keras.src.engine.functional'}",
        "the module `keras.src.engine.functional` does not exist in this version",
    ),
    (FORMAT, "`load_model` of Keras 3 does not read SavedModels"),
    (
        "File format not supported: filepath=/tmp/x/ck/w. Keras 3 only supports V3 `.keras` files, `.weights.h5` "
        "files, legacy H5 format files (`.h5` extension), or Orbax checkpoints.",
        "`load_weights` of Keras 3 does not read TensorFlow checkpoints",
    ),
    (
        "File not found: filepath=/tmp/x/m.keras. Please ensure the file is an accessible `.keras` zip file.",
        "the `.keras` file is not the zip archive that the loader expects",
    ),
    (VARIABLES, "the file holds no variables where the loader looks for those of a layer"),
    (
        "Layer 'lstm_cell_3' expected 3 variables, but received 0 variables during loading. Expected: ['kernel:0']",
        "the file holds no variables where the loader looks for those of a layer",
    ),
    (
        "Layer 'lstm_cell_3' expected 3 variables, but received 2 variables during loading. Expected: ['kernel:0']",
        "the file holds another number of variables for `LSTMCell`",
    ),
    (
        "Layer 'my_custom_layer' expected 1 variables, but received 0 variables during loading. Expected: ['V:0']",
        "the file holds no variables where the loader looks for those of a layer",
    ),
    (
        "Error when deserializing class 'InputLayer' using config={'batch_shape': [8, 4], 'optional': False}.\n\n"
        "Exception encountered: Unrecognized keyword arguments: ['batch_shape', 'optional']",
        "`InputLayer` got unknown arguments `batch_shape`, `optional`",
    ),
    (OWN_VARIABLES, "the file holds variables for a custom layer, which has none when it is loaded"),
    (
        "Requested the deserialization of a `Lambda` layer whose `function` is a Python lambda. This carries a "
        "potential risk of arbitrary code execution and thus it is disallowed by default.",
        "a Python lambda in a `Lambda` layer is refused by `safe_mode`",
    ),
    (
        "The `{arg_name}` of this `Lambda` layer is a Python lambda. Deserializing it is unsafe.",
        "a Python lambda in a `Lambda` layer is refused by `safe_mode`",
    ),
    (
        "Argument `name` must be a string and cannot contain character `/`. Received: name=a/b (of type <class 'str'>)",
        "a name with `/` in it is refused",
    ),
    (
        "Invalid Functional model configuration. The graph of the Functional model either has loops or disconnected "
        "nodes. The following nodes failed to be resolved: {<Add name=add, built=False>: [[['sequential', 1, 0, {}]]]}",
        "the graph of a Functional model cannot be rebuilt: some of its nodes are never resolved",
    ),
    (
        "Layer count mismatch when loading weights from file. Model expected 1 layers, found 2 saved layers.",
        "the file holds weights for another number of layers",
    ),
    (
        "The filename must end in `.weights.h5`. Received: filepath=/tmp/x/wl.h5",
        "`save_weights` of Keras 3 only takes names that end in `.weights.h5`",
    ),
    (
        "Invalid filepath extension for saving. Please add either a `.keras` extension for the native Keras format "
        "(recommended) or a `.h5` extension. Use `model.export(filepath)` if you want to export a SavedModel.",
        "`model.save` of Keras 3 does not write SavedModels",
    ),
    (
        "Saving the model to HDF5 format requires the model to be a Functional model or a Sequential model. It does "
        "not work for subclassed models.",
        "a subclassed model cannot be saved to HDF5",
    ),
    (
        "Tried to export a function which references an 'untracked' resource. TensorFlow objects (e.g. tf.Variable) "
        "captured by functions must be 'tracked'.",
        "a function of the model uses a resource that is not tracked, and cannot be exported",
    ),
]
