"""What a run means: causes behind its failures, its warnings as data, what was promised, and one cell explained.

Reads a finished run (`tfmatrix.store.runs.Run`) and writes nothing.

- `causes`: failing cells grouped by what went wrong;
- `warnings`: every warning with where it comes up and whether it predicts a failure;
- `policy`: what TensorFlow's version policy promises, as data;
- `explain`: all of it for one cell or one cause.
"""
