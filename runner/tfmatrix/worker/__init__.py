"""The program that runs inside an environment: standard library and that environment's packages only.

Written for Python 3.7 to 3.13 and TensorFlow 2.0 to nightly. The folder is mounted into the container and run as
`python server.py`; its modules import one another as top-level modules there. The host imports `protocol` and
`formats` from here, and nothing here imports the host's modules.
"""
