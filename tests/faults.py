"""Faults of files, and of the programs that write them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def truncate(path: Path) -> None:
    """As by a copy that was broken off."""
    os.truncate(path, path.stat().st_size // 2)


def flip_a_bit(path: Path) -> None:
    """As by a failing disk."""
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2] ^= 1
    path.write_bytes(contents)


def run_until_killed(script: str) -> None:
    """Run Python code that ends in ``os._exit(9)``: like a killed process, it cleans nothing up."""
    path = os.pathsep.join(sys.path)
    result = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": path})
    assert result.returncode == 9


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
