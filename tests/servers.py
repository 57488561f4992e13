"""Start JupyterLab, and find out where it listens."""

import os
import re
import socket
import subprocess
import sys
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
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}) as process:
        try:
            log = "".join(_lines_until(process.stderr, "Use Control-C"))
            host, port, token = re.search(r"http://([\w.]+):(\d+)/lab\?token=(\w{20,})", log).groups()
            _wait_for_listener("127.0.0.1", int(port))
            yield Server(host, int(port), token)
        finally:
            process.terminate()


def _lines_until(stream, words):
    for line in stream:
        yield line
        if words in line:
            return


def _wait_for_listener(host: str, port: int, seconds: float = 20) -> None:
    """It says that it is running some milliseconds before it is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
