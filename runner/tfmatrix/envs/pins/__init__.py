"""What a project pins: TensorFlow and the packages that decide with it, as requirements and lock files name them."""

from tfmatrix.envs.pins.model import Pin, PinFile
from tfmatrix.envs.pins.read import FILE_KINDS, find_files, find_pins, is_pin_file, read_pins

__all__ = [
    "FILE_KINDS",
    "Pin",
    "PinFile",
    "find_files",
    "find_pins",
    "is_pin_file",
    "read_pins",
]
