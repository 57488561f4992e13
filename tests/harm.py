"""Ways in which a file comes to harm, for the tests of what reads it."""

import os
from pathlib import Path


def truncate(path: Path) -> None:
    """As by a copy that was broken off."""
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    """As by a power cut."""
    os.truncate(path, 0)


def flip_a_bit(path: Path) -> None:
    """As by a failing disk."""
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2] ^= 1
    path.write_bytes(contents)


def overwrite(path: Path) -> None:
    """As by another program."""
    path.write_bytes(b"something else")
