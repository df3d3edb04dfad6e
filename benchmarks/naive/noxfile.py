"""nox -f benchmarks/naive/noxfile.py -- 2.15.1 2.21.0"""

import nox


@nox.session
def matrix(session):
    """Save and load three models in every pair of TensorFlow versions."""
    session.install("docker")
    session.run("python", "matrix.py", *session.posargs)
