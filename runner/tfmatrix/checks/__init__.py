"""Compares what a model is after loading with what it was before saving: pure functions, no TensorFlow.

`observation` reads, `comparison` runs one module per check, `verdict` makes a status of it, `attribution` says where a
drift comes from. `calibration` and `tolerance` say what counts as equal, `presentation` and `matching` what counts as
the same thing under another name.
"""
