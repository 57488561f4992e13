import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_notebook, new_output

SCRIPT = Path(__file__).parent.parent / "tools" / "run_notebooks.py"


@pytest.fixture
def run(tmp_path):
    def run_cells(*sources):
        path = tmp_path / "example.ipynb"
        cells = [new_code_cell(source) for source in sources]
        cells[-1].metadata["tags"] = ["headline"]
        nbformat.write(new_notebook(cells=cells), path)
        before = path.read_bytes()
        command = [sys.executable, SCRIPT, "--in-place", path]
        result = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)
        return result, nbformat.read(path, as_version=4), before == path.read_bytes()

    return run_cells


def test_outputs_are_stored_and_the_headline_is_shown(run):
    result, notebook, unchanged = run("x = 20", "print('first line')\nprint(f'accuracy {x + 1} %')")
    assert result.returncode == 0 and not unchanged
    assert [cell.execution_count for cell in notebook.cells] == [1, 2]
    assert notebook.cells[1].outputs[0].text == "first line\naccuracy 21 %\n"
    assert result.stdout.splitlines()[-1].split() == ["example", "2", *result.stdout.split()[-5:]]
    assert result.stdout.rstrip().endswith("passed  accuracy 21 %")


def test_a_failing_notebook_fails_the_run_and_is_left_as_it_was(run):
    result, _, unchanged = run("print('before')", "1 / 0")
    assert result.returncode == 1 and unchanged
    assert "ZeroDivisionError" in result.stderr
    assert "FAILED" in result.stdout.splitlines()[-1]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")
def test_ctrl_c_leaves_the_notebook_as_it_was(tmp_path):
    path = tmp_path / "example.ipynb"
    cell = new_code_cell("import time; open('started', 'w').close(); time.sleep(600)")
    nbformat.write(new_notebook(cells=[cell]), path)
    before = path.read_bytes()
    with subprocess.Popen([sys.executable, SCRIPT, "--in-place", path], stderr=subprocess.PIPE, text=True) as process:
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


def test_a_page_carries_the_figures_alternative_texts():
    output = new_output(
        "display_data", {"image/png": "iVBORw0KGgo="}, metadata={"image/png": {"alt": 'a "line" & <dot>', "width": 9}}
    )
    notebook = new_notebook(cells=[new_code_cell("plots.show(...)", outputs=[output])])
    exporter = HTMLExporter(template_name="page", extra_template_basedirs=[str(SCRIPT.parent)])
    page, _ = exporter.from_notebook_node(notebook)
    [image] = BeautifulSoup(page, "html.parser").select("img")
    assert image["alt"] == 'a "line" & <dot>' and image["width"] == "9"


def test_an_unknown_notebook_is_an_error():
    result = subprocess.run([sys.executable, SCRIPT, "nowhere.ipynb"], capture_output=True, text=True)
    assert result.returncode == 2 and "no such notebook: nowhere.ipynb" in result.stderr
