"""What people bring: matrix.yaml, scenarios, model files; and what `init` and `new-scenario` write for them."""
