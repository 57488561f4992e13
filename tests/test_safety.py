"""What reaches the network, runs code from a file, or opens a door: by rule, none of it."""

import ast
import http.client
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from reading import code_cells
from servers import jupyterlab

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [
    path
    for pattern in ("*.py", "helpers/**/*.py", "benchmarks/*.py", "tools/*.py", "tests/*.py", "notebooks/*.ipynb")
    for path in sorted(ROOT.glob(pattern))
]


def code_of(path):
    if path.suffix == ".py":
        return path.read_text(encoding="utf-8")
    to_python = TransformerManager().transform_cell  # for %magic and !commands
    return "\n".join(to_python(cell.source) for cell in code_cells(nbformat.read(path, as_version=4)))


def calls_in(code):
    """Each call's full name and its keyword arguments."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}


def dangers_in(code):
    for name, options in calls_in(code):
        if name.endswith("torch.load") and options.get("weights_only") != "True":
            yield f"{name} without weights_only=True may run code from the file"
        if re.search(r"pickle\.loads?$|^(np|numpy)\.load$|joblib\.load$", name):
            yield f"{name} may run code from the file"
        if options.get("shell") == "True" or name == "os.system":
            yield f"{name} starts a shell"
        if re.search(r"urlopen|urlretrieve|requests\.get|load_state_dict_from_url|hub\.load", name):
            yield f"{name} reaches the network"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_runs_code_from_a_file_starts_a_shell_or_reaches_the_network(path):
    assert not list(dangers_in(code_of(path)))


@pytest.mark.parametrize(
    "code",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "pickle.load(file)",
        "subprocess.run('ls', shell=True)",
        "urllib.request.urlretrieve(address)",
    ],
)
def test_that_check_would_notice(code):
    assert list(dangers_in(code))


# Without what a make that runs these tests tells a make that it starts.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
needs_make = pytest.mark.skipif(not shutil.which("make"), reason="needs make, and this machine has none")


@pytest.fixture
def project(tmp_path):
    """The Makefile, with a stand-in for an environment that is installed."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.txt", "pyproject.toml", ".venv/.installed"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@needs_make
def test_jupyterlab_listens_on_this_machine_only_and_asks_for_its_token(project, tmp_path):
    options = {"cwd": project, "env": ENVIRONMENT, "capture_output": True, "text": True}
    printed = subprocess.run(["make", "-n", "lab"], check=True, **options).stdout
    program, *arguments = printed.split()
    assert program == ".venv/bin/python" and arguments[-1] == "notebooks" and not re.search("token|password", printed)
    with jupyterlab(*arguments[:-1], folder=tmp_path, JUPYTER_CONFIG_DIR=str(tmp_path / "config")) as server:
        assert server.host in ("127.0.0.1", "localhost")
        assert status("127.0.0.1", server.port, "/api/contents") == 403
        assert status("127.0.0.1", server.port, f"/api/contents?token={server.token}") == 200
        with pytest.raises(OSError):
            status("127.0.0.2", server.port, "/api/contents")  # heard by who listens on all addresses


def status(host, port, path):
    connection = http.client.HTTPConnection(host, port, timeout=5)
    connection.request("GET", path)
    return connection.getresponse().status


SLOW_PYTHON = """#!/bin/sh
if [ "$1" = -m ]; then
    sleep 2
    mkdir -p .venv/bin
    ln -sf /bin/true .venv/bin/python
fi
"""


@needs_make
def test_of_two_installations_at_once_one_is_told_to_wait(project):
    (project / ".venv" / ".installed").unlink()
    (project / "slow_python").write_text(SLOW_PYTHON)
    (project / "slow_python").chmod(0o755)
    command = ["make", "test", "PYTHON=./slow_python"]
    options = {"cwd": project, "env": ENVIRONMENT, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, **options) as first:
        deadline = time.monotonic() + 10
        while not (project / ".installing").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        second = subprocess.run(command, **options, timeout=30)
        first.communicate(timeout=30)
    assert second.returncode != 0 and "Another make is installing here" in second.stdout
    assert first.returncode == 0 and not (project / ".installing").exists()
    assert (project / ".venv" / ".installed").exists()
