"""Synthetic observations: a draft that a test changes, then builds in memory or writes as the worker does."""

from __future__ import annotations

import base64
import copy
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tfmatrix.checks.observation import Observation
from tfmatrix.checks.observations import Observations
from tfmatrix.checks.registry import checks
from tfmatrix.checks.tolerance import Tolerance


@dataclass
class DraftWeight:
    path: str
    values: Any
    trainable: bool = True
    dtype: str = ""


@dataclass
class Draft:
    kind: str = "keras"
    model_class: str = "Sequential"
    interface: dict[str, list[str]] | None = None
    outputs: Any = field(default_factory=dict)
    weights: Any = field(default_factory=list)
    optimizer: Any = None
    config: Any = None
    compile: Any = None
    resume: Any = None
    signatures: Any = None
    course: Any = None
    forward: Any = None
    gradients: Any = None
    draws: Any = None
    control: Any = None
    reading: Any = None
    returns: str | None = None
    seeds: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)

    def copy(self) -> Draft:
        return copy.deepcopy(self)

    def weight(self, path: str) -> DraftWeight:
        return next(weight for weight in self.weights if weight.path == path)

    def slot(self, name: str, path: str) -> dict[str, Any]:
        return next(slot for slot in self.optimizer["slots"] if (slot["slot"], slot["path"]) == (name, path))

    def layer(self, path: str) -> dict[str, Any]:
        return next(layer for layer in self.config["layers"] if layer["path"] == path)

    def document(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        arrays: dict[str, np.ndarray] = {}

        def ref(values: Any, dtype: str = "") -> dict[str, Any]:
            values = np.asarray(values)
            if values.dtype.kind in "OSU":
                flat = [base64.b64encode(item).decode() for item in values.ravel().tolist()]
                return {"strings": flat, "dtype": "string", "shape": list(values.shape)}
            key = f"a{len(arrays)}"
            arrays[key] = values
            return {"array": key, "dtype": dtype or values.dtype.name, "shape": list(values.shape)}

        def refs(found: Any) -> Any:
            """Every numpy array in a structure, as a reference."""
            if isinstance(found, np.ndarray):
                return ref(found)
            if isinstance(found, dict):
                return {key: refs(item) for key, item in found.items()}
            return [refs(item) for item in found] if isinstance(found, list) else found

        weights: Any = self.weights
        if isinstance(weights, list):
            weights = [
                {
                    "path": weight.path,
                    "layer": weight.path.rpartition("/")[0],
                    "role": weight.path.rpartition("/")[2],
                    "index": index,
                    "trainable": weight.trainable,
                    "array": ref(weight.values, weight.dtype),
                }
                for index, weight in enumerate(self.weights)
            ]
        document = {
            "schema": 1,
            "kind": self.kind,
            "model_class": self.model_class,
            "interface": self.interface,
            "returns": self.returns,
            "weights": weights,
            **{
                name: refs(getattr(self, name))
                for name in (
                    *("outputs", "optimizer", "config", "compile", "resume", "signatures", "control", "reading"),
                    *("course", "forward", "gradients", "draws", "seeds", "notes"),
                )
            },
        }
        return document, arrays

    def build(self) -> Observation:
        return Observation(*self.document())

    def write(self, folder: Path) -> Path:
        document, arrays = self.document()
        (folder / "observation.json").write_text(json.dumps(document))
        np.savez(folder / "arrays.npz", **arrays)
        return folder


def checked(
    name: str,
    writer: Observation,
    reader: Observation,
    *,
    tolerance: Tolerance | None = None,
    same_keras: bool = True,
) -> dict[str, Any]:
    """What a record holds of one check that is made on two observations."""
    observations = Observations(
        writer=writer,
        reader=reader,
        tolerance_for=lambda _check: tolerance or Tolerance(),
        same_keras=same_keras,
    )
    check = checks()[name]
    return check.record(check.compare(observations))


def trained() -> Draft:
    """Dense, BatchNormalization, Dropout, two more Dense of one shape, trained with Adam: something of everything."""
    rng = np.random.default_rng(0)

    def values(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype("float32")

    weights = [
        DraftWeight("dense/kernel", values(4, 8)),
        DraftWeight("dense/bias", np.zeros(8, "float32")),
        DraftWeight("batch_normalization/gamma", np.ones(8, "float32")),
        DraftWeight("batch_normalization/beta", np.zeros(8, "float32")),
        DraftWeight("batch_normalization/moving_mean", values(8), trainable=False),
        DraftWeight("batch_normalization/moving_variance", np.abs(values(8)), trainable=False),
        DraftWeight("dense_1/kernel", values(8, 8)),
        DraftWeight("dense_1/bias", values(8)),
        DraftWeight("dense_2/kernel", values(8, 8)),
        DraftWeight("dense_2/bias", values(8)),
    ]
    slots = [
        {"slot": slot, "variable": index, "path": weight.path, "array": values(*weight.values.shape)}
        for slot in ("momentum", "velocity")
        for index, weight in enumerate(weights)
        if weight.trainable
    ]
    layers = {
        "dense": ("Dense", {"units": 8, "activation": "relu", "use_bias": True}),
        "batch_normalization": ("BatchNormalization", {"axis": -1, "momentum": 0.99, "epsilon": 0.001}),
        "dropout": ("Dropout", {"rate": 0.5, "seed": None}),
        "dense_1": ("Dense", {"units": 8, "activation": "tanh", "use_bias": True}),
        "dense_2": ("Dense", {"units": 8, "activation": "softmax", "use_bias": True}),
    }
    return Draft(
        outputs={"": np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]], "float32")},
        weights=weights,
        optimizer={
            "class": "Adam",
            "implementation": "keras3",
            "iterations": 3,
            "hyperparameters": {"learning_rate": 0.001},
            "state": {},
            "slots": slots,
        },
        config={
            "class": "Sequential",
            "layers": [
                {"path": path, "class": name, "config": dict(config)} for path, (name, config) in layers.items()
            ],
            "trainable": {"": True, **dict.fromkeys(layers, True)},
            "dtype_policies": {"": "float32", **dict.fromkeys(layers, "float32")},
        },
        compile={
            "optimizer": "Adam",
            "hyperparameters": {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-07},
            "loss": "mean_squared_error",
            "loss_weights": None,
            "metrics": ["mean_absolute_error", "accuracy"],
            "weighted_metrics": [],
        },
        resume={
            "losses": [0.5, 0.4, 0.3011],
            "metrics": {"mae": [0.9, 0.8, 0.7]},
            "weights_after": [weight.values + np.float32(0.001) for weight in weights],
            "slots_after": [{**slot, "array": slot["array"] * np.float32(0.9)} for slot in slots],
            "outputs_after": {"": np.array([[0.2, 0.6, 0.2], [0.4, 0.4, 0.2]], "float32")},
            "noise": {
                "losses": 1e-7,
                "metrics": {"mae": 1e-7},
                "weights": [1e-7] * len(weights),
                "slots": [1e-7] * len(slots),
                "outputs": {"": 1e-7},
                "error": None,
            },
            "error": None,
            "fresh": {
                "losses": [0.5, 0.45, 0.4121],
                "weights_after": [weight.values + np.float32(0.002) for weight in weights],
                "error": None,
            },
        },
        signatures={
            "serving_default": {
                "inputs": {"x": {"dtype": "float32", "shape": [None, 4]}},
                "outputs": {"y": {"dtype": "float32", "shape": [None, 3]}},
                "results": {"y": np.array([[0.1, 0.7, 0.2]], "float32")},
            }
        },
    )


def retrained() -> Draft:
    """The same model as the format `code` has it: trained anew, after one step and after three."""
    draft = trained()
    last = draft.resume
    del last["fresh"]
    first = copy.deepcopy(last)
    first["losses"], first["metrics"] = last["losses"][:1], {"mae": last["metrics"]["mae"][:1]}
    draft.course = {
        "first": first,
        "last": last,
        "silent": [],
        "drawn": [],
        "evaluated": {"before": {"loss": 0.5, "mae": 0.95}, "after": {"loss": 0.3, "mae": 0.7}},
    }
    rng = np.random.default_rng(1)

    def sample(path: str, shape: tuple[int, ...], **about: Any) -> dict[str, Any]:
        values = rng.normal(size=int(np.prod(shape))).astype("float32")
        return {"path": path, "shape": list(shape), "scale": float(abs(values).max()), "array": values, **about}

    def tensors() -> list[dict[str, Any]]:
        layers = {"dense": "Dense", "batch_normalization": "BatchNormalization", "dense_1": "Dense", "": "Functional"}
        return [sample(path, (2, 8), **{"class": kind, "call": 0, "name": ""}) for path, kind in layers.items()]

    draft.forward = {"inference": tensors(), "training": tensors()}
    trained_ones = [weight for weight in draft.weights if weight.trainable]
    draft.gradients = {"loss": 0.5, "variables": [sample(each.path, each.values.shape) for each in trained_ones]}
    draft.draws = {
        "builds": 8,
        "repeats": True,
        "weights": [drawn("dense/kernel", rng.uniform(-0.5, 0.5, 640)), drawn("dense/bias", np.zeros(64), distinct=1)],
    }
    draft.outputs = draft.optimizer = draft.resume = draft.signatures = None
    return draft


def drawn(path: str, numbers: np.ndarray, distinct: int = 8) -> dict[str, Any]:
    """One variable of the section `draws`, of eight models."""
    return {
        "path": path,
        "layer": path.rpartition("/")[0],
        "distinct": distinct,
        "size": numbers.size // 8,
        "mean": float(numbers.mean()),
        "std": float(numbers.std()),
        "largest": float(abs(numbers).max()),
        "numbers": np.sort(numbers).astype("float32"),
    }


def loaded() -> Draft:
    """What a loader without losses makes of `trained()`."""
    draft = trained()
    del draft.resume["fresh"], draft.resume["noise"]
    return draft
