"""The scenario's code itself, built anew from the same weights and trained on the same batches.

Nothing is saved but the weights before training. What is compared is what the code means, computes, learns and draws:
the question of whoever trains, not of whoever loads. Asked for by name, in `formats` or with `--format code`.
"""

ID = "code"
ORDER = 160
BY_NAME = True
ARTIFACT = "initial.npz"
MODELS = "keras"
SAVE = "np.savez(PATH, *model.get_weights())"

LOAD = """\
model = build()
with np.load(PATH) as weights:
    model.set_weights([weights[name] for name in weights.files])
"""
LOADER = "the scenario's code"
LOADS = "keras"
CHECKS = (
    *("load", "defaults", "forward", "gradients", "updates", "metrics", "learning", "initializers"),
    *("signatures", "warnings"),
)
