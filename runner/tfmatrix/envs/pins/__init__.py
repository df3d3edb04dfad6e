"""What a project installs: the packages that its requirements, locks and declarations name."""

from tfmatrix.envs.pins.model import Pin, PinFile
from tfmatrix.envs.pins.read import Found, file_kinds, find_files, is_pin_file, pin_paths, python_beside, read_pins

__all__ = [
    "Found",
    "Pin",
    "PinFile",
    "file_kinds",
    "find_files",
    "is_pin_file",
    "pin_paths",
    "python_beside",
    "read_pins",
]
