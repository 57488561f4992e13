import signal
import subprocess
import sys
import time

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

import run_notebooks


def write_notebook(folder, *sources):
    path = folder / "example.ipynb"
    cells = [new_code_cell(source) for source in sources]
    cells[-1].metadata["tags"] = ["headline"]
    nbformat.write(new_notebook(cells=cells), path)
    return path


def test_outputs_are_stored_and_the_headline_is_shown(tmp_path, capsys):
    path = write_notebook(tmp_path, "x = 20", "print('first line')\nprint(f'accuracy {x + 1} %')")
    assert run_notebooks.main(["--in-place", str(path)]) == 0
    first, second = nbformat.read(path, as_version=4).cells
    assert (first.execution_count, second.execution_count) == (1, 2)
    assert second.outputs[0].text == "first line\naccuracy 21 %\n"
    name, cells, _, *rest = capsys.readouterr().out.splitlines()[-1].split()
    assert [name, cells, *rest] == ["example", "2", "passed", "accuracy", "21", "%"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [("1 / 0", "ZeroDivisionError"), ("assert 0, 'wrong'", "wrong"), ("import os; os._exit(1)", "Kernel died")],
)
def test_a_failing_notebook_fails_the_run_and_is_left_as_it_was(tmp_path, capsys, fault, message):
    path = write_notebook(tmp_path, "print('before')", fault)
    before = path.read_bytes()
    assert run_notebooks.main(["--in-place", str(path)]) == 1
    assert path.read_bytes() == before
    output, errors = capsys.readouterr()
    assert message in errors and "FAILED" in output.splitlines()[-1]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")
def test_ctrl_c_leaves_the_notebook_as_it_was(tmp_path):
    path = write_notebook(tmp_path, "import time; open('started', 'w').close(); time.sleep(600)")
    before = path.read_bytes()
    command = [sys.executable, run_notebooks.__file__, "--in-place", path]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 60
            while not (tmp_path / "started").exists() and time.monotonic() < deadline:
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130 and errors.strip() == "stopped; the notebook at work was left as it was"
    assert path.read_bytes() == before and not list(tmp_path.glob("*.part"))


def test_an_unknown_notebook_is_an_error(capsys):
    with pytest.raises(SystemExit, match="2"):
        run_notebooks.main(["nowhere.ipynb"])
    assert "no such notebook: nowhere.ipynb" in capsys.readouterr().err
