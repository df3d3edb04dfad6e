"""Compares what a model is after loading with what it was before saving: pure functions, no TensorFlow.

Each check is one module, found by itself (`registry`); `contract` says what it defines, and that it gives findings, as
data. `observation` reads, `comparison` runs the checks, `verdict` makes a status of them, `attribution` says where a
drift comes from. `calibration` and `tolerance` say what counts as equal, `presentation` and `matching` what counts as
the same thing under another name.
"""
