"""Model files that no scenario made: how a job is done that has one in a scenario's place."""

from .adoption import adopt
from .inputs import code, cut_network, given
from .rebuild import dismantle, rebuild, resave

__all__ = ["adopt", "code", "cut_network", "dismantle", "given", "rebuild", "resave"]
