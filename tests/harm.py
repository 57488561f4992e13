"""Ways in which files, and those who write them, come to harm."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


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


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file grow beyond ``size`` bytes."""
    resource = pytest.importorskip("resource", reason="Windows has no limit on the size of a file")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def without_privileges() -> Iterator[None]:
    """Be an ordinary user for a while: root may read and write everything."""
    if not hasattr(os, "geteuid"):
        pytest.skip("Windows knows no modes of files")
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
