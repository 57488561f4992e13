"""By rule, nothing reaches the network, runs code from a file or opens a door; every package is declared."""

import ast
import http.client
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from notebook_io import code_cells
from servers import jupyterlab

ROOT = Path(__file__).resolve().parents[2]
TAKEN_ALONG = [*ROOT.glob("helpers/**/*.py"), *ROOT.glob("notebooks/*.ipynb")]
PATTERNS = ("*.py", "benchmarks/*.py", "tools/**/*.py", "tests/**/*.py")
SOURCES = sorted([*TAKEN_ALONG, *(path for pattern in PATTERNS for path in ROOT.glob(pattern))])
DANGERS = {
    r"pickle\.loads?|(np|numpy|joblib)\.load": "runs code from the file",
    r"os\.system": "starts a shell",
    r".*(urlopen|urlretrieve|requests\.get|load_state_dict_from_url|hub\.load)": "reaches the network",
}


def nodes_of(path):
    if path.suffix == ".py":
        return ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    to_python = TransformerManager().transform_cell  # for %magic and !commands
    return ast.walk(ast.parse("\n".join(to_python(cell.source) for cell in code_cells(nbformat.read(path, 4)))))


def dangers_in(nodes):
    for call in nodes:
        if isinstance(call, ast.Call):
            name, options = ast.unparse(call.func), {word.arg: ast.unparse(word.value) for word in call.keywords}
            yield from (f"{name} {danger}" for pattern, danger in DANGERS.items() if re.fullmatch(pattern, name))
            if name.endswith("torch.load") and options.get("weights_only") != "True":
                yield f"{name} without weights_only=True may run code from the file"
            if options.get("shell") == "True":
                yield f"{name} starts a shell"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_runs_code_from_a_file_starts_a_shell_or_reaches_the_network(path):
    assert not list(dangers_in(nodes_of(path)))


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
    assert list(dangers_in(ast.walk(ast.parse(code))))


def test_every_imported_package_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("requirements*.txt"))
    taken_along, pinned = names_of(project["dependencies"]), names_of(re.findall("^.+==", pins, re.MULTILINE))
    assert taken_along < pinned
    known = sys.stdlib_module_names | {"helpers", *(path.stem for path in SOURCES)}
    packages = importlib.metadata.packages_distributions()
    for path in SOURCES:
        imported = {packages.get(module, [module])[0] for module in modules_in(nodes_of(path)) - known}
        assert names_of(imported) <= (taken_along if path in TAKEN_ALONG else pinned), path


def test_the_tests_that_are_said_to_keep_a_promise_exist():
    sources = {path.name: path.read_text(encoding="utf-8") for path in ROOT.glob("tests/*/test_*.py")}
    promises = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", promises)
    assert named and not [(file, test) for file, test in named if f"\ndef {test}(" not in sources[file]]


def names_of(requirements):
    return {re.match(r"[\w.-]+", line)[0].lower().replace("_", "-") for line in requirements}


def modules_in(nodes):
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


# Without what a make that runs these tests tells a make that it starts.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
OPTIONS = {"env": ENVIRONMENT, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
needs_make = pytest.mark.skipif(not shutil.which("make"), reason="needs make, and this machine has none")


@pytest.fixture
def project(tmp_path):
    """The Makefile, with a stand-in for an environment that is installed."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".venv").mkdir()
    for name in ("requirements.txt", "requirements-dev.txt", "pyproject.toml", ".venv/.installed"):
        (tmp_path / name).touch()
    return tmp_path


@needs_make
@pytest.mark.slow
def test_jupyterlab_listens_on_this_machine_only_and_asks_for_its_token(project, tmp_path):
    printed = subprocess.run(["make", "-n", "lab"], cwd=project, check=True, **OPTIONS).stdout
    program, *arguments, folder = printed.split()
    assert (program, folder) == (".venv/bin/python", "notebooks") and not re.search("token|password", printed)
    with jupyterlab(*arguments, folder=tmp_path, JUPYTER_CONFIG_DIR=str(tmp_path / "config")) as server:
        assert server["hostname"] in ("127.0.0.1", "localhost")
        assert status("127.0.0.1", server["port"], "/api/contents") == 403
        assert len(server["token"]) > 20
        assert status("127.0.0.1", server["port"], f"/api/contents?token={server['token']}") == 200
        with pytest.raises(OSError):
            status("127.0.0.2", server["port"], "/api/contents")  # heard by who listens on all addresses


def status(host, port, path):
    connection = http.client.HTTPConnection(host, port, timeout=5)
    connection.request("GET", path)
    return connection.getresponse().status


@needs_make
def test_a_bare_make_lists_the_targets(project):
    printed = subprocess.run("make", cwd=project, check=True, **OPTIONS).stdout
    assert {"make lab", "make run", "make test"} <= {line[:9].rstrip() for line in printed.splitlines()}


# A stand-in for Python that takes its time for making .venv; the Python in there exits with the code in the file.
SLOW_PYTHON = """#!/bin/sh
if [ "$1" = -m ]; then
    sleep 2
    mkdir -p .venv/bin
    echo 'exit $(cat code)' >.venv/bin/python
    chmod +x .venv/bin/python
fi
"""


INSTALL = ["make", "install", "PYTHON=./slow_python"]


@pytest.fixture
def not_installed(project):
    (project / ".venv" / ".installed").unlink()
    (project / "slow_python").write_text(SLOW_PYTHON)
    (project / "slow_python").chmod(0o755)
    (project / "code").write_text("0")
    return project


@needs_make
@pytest.mark.slow
def test_an_installation_that_failed_is_taken_up_again(not_installed):
    for code, installed in (("1", False), ("0", True)):
        (not_installed / "code").write_text(code)
        result = subprocess.run(INSTALL, cwd=not_installed, **OPTIONS)
        assert (result.returncode == 0) == installed == (not_installed / ".venv" / ".installed").exists()
        assert not (not_installed / ".installing").exists()


@needs_make
@pytest.mark.slow
def test_of_two_installations_at_once_one_is_told_to_wait(not_installed):
    project = not_installed
    with subprocess.Popen(INSTALL, cwd=project, **OPTIONS) as first:
        deadline = time.monotonic() + 10
        while not (project / ".installing").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        second = subprocess.run(INSTALL, cwd=project, **OPTIONS, timeout=30)
        first.communicate(timeout=30)
    assert second.returncode != 0 and "Another make is installing here" in second.stdout
    assert first.returncode == 0 and not (project / ".installing").exists()
    assert (project / ".venv" / ".installed").exists()
