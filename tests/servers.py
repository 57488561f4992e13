"""Start JupyterLab, and find out where it listens."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


class Server(NamedTuple):
    """Where a server listens, and the token that it asks for."""

    host: str
    port: int
    token: str


@contextmanager
def jupyterlab(*arguments: str, folder: Path, **environment: str) -> Iterator[Server]:
    """JupyterLab on a folder, with more variables in its environment, ended on leaving."""
    command = [sys.executable, *(arguments or ("-m", "jupyter", "lab", "--ip=127.0.0.1")), "--no-browser"]
    command += ["--allow-root", f"--notebook-dir={folder}"]
    with tempfile.TemporaryDirectory() as place:
        log = Path(place) / "log"  # a pipe that nobody reads would fill, and stop the server
        with (
            log.open("w") as errors,
            subprocess.Popen(command, stderr=errors, env={**os.environ, **environment}) as process,
        ):
            try:
                host, port, token = _wait_for_address(log)
                _wait_for_listener("127.0.0.1", int(port))
                yield Server(host, int(port), token)
            finally:
                _end(process)


def _wait_for_address(log: Path, seconds: float = 60) -> tuple[str, str, str]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        written = log.read_text(encoding="utf-8", errors="replace")
        if "Use Control-C" in written:
            return re.search(r"http://([\w.]+):(\d+)/lab\?token=(\w{20,})", written).groups()
        time.sleep(0.1)
    raise TimeoutError(f"JupyterLab did not start within {seconds} s:\n{written}")


def _end(process: subprocess.Popen, seconds: float = 20) -> None:
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()


def _wait_for_listener(host: str, port: int, seconds: float = 20) -> None:
    """It says that it is running some milliseconds before it is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
