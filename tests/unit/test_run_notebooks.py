import re
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import run_notebooks
from faults import full_disk


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


def test_the_short_path_leaves_out_the_other_sections(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run_notebooks, "ROOT", tmp_path)  # executed copies land in its folder build/
    cells = [
        new_markdown_cell("- [1.1 Seen](#1.1-Seen) ◆\n- [1.2 Skipped](#1.2-Skipped)\n- [1.3 Last](#1.3-Last) ◆"),
        new_code_cell("ran = ['first']"),
        new_markdown_cell("## 1.1 Seen"),
        new_code_cell("ran.append('seen')"),
        new_markdown_cell("</details>\n\n## 1.2 Skipped"),
        new_code_cell("1 / 0"),
        new_markdown_cell("## 1.3 Last"),
        new_code_cell("print(ran)"),
    ]
    path = tmp_path / "example.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    before = path.read_bytes()
    assert run_notebooks.main(["--short-path", str(path), str(path)]) == 0
    copy = nbformat.read(tmp_path / "build" / "example.ipynb", as_version=4)
    assert copy.cells[-1].outputs[0].text == "['first', 'seen']\n" and path.read_bytes() == before
    assert re.search(r"^total +6 ", capsys.readouterr().out, flags=re.MULTILINE)  # three cells of four, twice


def test_a_disk_that_fills_up_leaves_the_notebook_as_it_was(tmp_path):
    path = write_notebook(tmp_path, "print('line\\n' * 200_000)")
    before = path.read_bytes()
    with full_disk(1_000_000), pytest.raises(OSError, match="too large"):
        run_notebooks.main(["--in-place", str(path)])
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")
@pytest.mark.slow
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
