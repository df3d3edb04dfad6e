"""A vocabulary that was learned is not part of a layer's arguments: it is set behind the building, as an asset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfmatrix.engine.adapters._objects import Object, in_model, with_config

SINCE = "3.0"
SOURCE = "https://github.com/keras-team/keras/blob/v3.0.0/keras/layers/preprocessing/index_lookup.py"

_LOOKUPS = ("StringLookup", "IntegerLookup", "TextVectorization")


def up(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments say nothing of the words; boundaries that were adapted become arguments."""
    return _without_words(document)


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same."""
    return _without_words(document)


def _without_words(document: Mapping[str, Any]) -> Mapping[str, Any]:
    boundaries = {
        path.rpartition("/")[2]: values["bin_boundaries"]
        for path, values in document["assets"].items()
        if "bin_boundaries" in values
    }

    def change(each: Object) -> Object:
        config = dict(each["config"])
        if each["class_name"] in _LOOKUPS and config.get("vocabulary"):
            return each  # given as an argument, and still one
        if each["class_name"] in _LOOKUPS:
            config.update(vocabulary=None)
            if "idf_weights" in config:
                config.update(idf_weights=None)
        elif each["class_name"] == "Discretization" and config.get("name") in boundaries:
            config.update(bin_boundaries=boundaries[config["name"]], num_bins=None)
        return with_config(each, config)

    return in_model(document, change)
