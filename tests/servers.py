"""Start JupyterLab, and find out where it listens."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMMAND = ("-m", "jupyter", "lab", "--ip=127.0.0.1", "--allow-root")


@contextmanager
def jupyterlab(*arguments: str, folder: Path, **environment: str) -> Iterator[dict]:
    """JupyterLab on a folder, ended on leaving: what it says of itself, its hostname, port and token among it."""
    command = [sys.executable, *(arguments or COMMAND), "--no-browser", f"--notebook-dir={folder}"]
    with tempfile.TemporaryDirectory() as runtime:
        environment |= {"JUPYTER_RUNTIME_DIR": runtime}
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, **environment})
        try:
            yield _wait_for(process, Path(runtime))
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(process: subprocess.Popen, runtime: Path, seconds: float = 120) -> dict:
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        for path in runtime.glob("jpserver-*.json"):
            if (written := path.read_text(encoding="utf-8")).endswith("}"):
                return json.loads(written)
        time.sleep(0.1)
    raise TimeoutError(f"JupyterLab did not start within {seconds} s")
