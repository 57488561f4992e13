"""The notebooks' form: executed in order, clean, explained, accessible. Their outputs are compared by nbval."""

import base64
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from links import markdown_of
from notebook_io import code_cells, pictures

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LOOKS_AWAY = re.compile(r"NBVAL_(IGNORE_OUTPUT|SKIP)|PYTEST_VALIDATE_IGNORE_OUTPUT")
LOOKS_AWAY_TAGS = {"nbval-ignore-output", "nbval-skip"}
ABSOLUTE_PATH = re.compile(
    r"(?<![\w.])/(home|root|Users|tmp|work|opt|usr|mnt)/|\b[A-Z]:\\\\\w"
)  # in JSON: C:\\Users, but not FOR:\n
MAX_OUTPUT_BYTES = 1_000_000


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def markdown(notebook):
    """The text without its code and formulas."""
    return re.sub(r"```.*?```|\$\$.*?\$\$|`[^`]*`", "", markdown_of(notebook), flags=re.DOTALL)


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_is_valid(notebook):
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"


def test_every_code_cell_was_executed_once_in_order(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_nothing_on_stderr_and_no_unexpected_error(notebook):
    for cell in code_cells(notebook):
        assert not [output for output in cell.outputs if output.get("name") == "stderr"], cell.source
        raises = "raises-exception" in cell.metadata.get("tags", [])
        errors = [output for output in cell.outputs if output.output_type == "error"]
        assert bool(errors) == raises, cell.source


def test_outputs_are_compared_or_the_reason_stands_beside(notebook):
    looks_away = [
        cell
        for cell in code_cells(notebook)
        if LOOKS_AWAY.search(cell.source) or LOOKS_AWAY_TAGS & set(cell.metadata.get("tags", []))
    ]
    assert len(looks_away) <= 2
    for cell in looks_away:
        assert re.search(r"# (not compared|not run): \w", cell.source), cell.source


def test_no_absolute_path(path):
    colors_and_pictures = r'\\u001b\[[0-9;]*m|"image/png": "[^"]*"'
    found = ABSOLUTE_PATH.search(re.sub(colors_and_pictures, "", path.read_text(encoding="utf-8")))
    assert not found, found


def test_outputs_are_small(notebook):
    for cell in code_cells(notebook):
        assert len(str(cell.outputs)) < MAX_OUTPUT_BYTES, cell.source


def test_every_picture_has_alternative_text(notebook):
    for output in pictures(notebook):
        assert output.metadata["image/png"]["alt"].strip()
        assert not output.data.get("text/plain", "").startswith("<Figure")


def test_one_code_cell_in_three_asserts_something(notebook):
    cells = code_cells(notebook)
    asserting = [
        cell
        for cell in cells
        if re.search(r"^\s*assert |assert_close\(|check_answer\(", cell.source, flags=re.MULTILINE)
    ]
    assert len(asserting) >= len(cells) / 3


def test_code_cells_are_short(notebook):
    for cell in code_cells(notebook):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= 20, cell.source


def test_a_link_to_a_notebook_shows_its_title(path, notebook):
    for shown, name in re.findall(r"\[(\d+ [^]]+)\]\((\w+\.ipynb)\)", markdown(notebook)):
        title = nbformat.read(path.parent / name, as_version=4).cells[0].source.splitlines()[0]
        assert title == f"# {shown}"


def test_the_readmes_picture_is_a_notebooks_figure():
    covers = [
        output.data["image/png"]
        for path in NOTEBOOKS
        for cell in nbformat.read(path, as_version=4).cells
        if "cover" in cell.metadata.get("tags", [])
        for output in cell.outputs
    ]
    assert [base64.b64decode(cover) for cover in covers] == [(NOTEBOOKS[0].parent / "cover.png").read_bytes()]


def test_details_are_closed(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert cell.source.count("<details>") == cell.source.count("</details>") == cell.source.count("<summary>")


def first_code(path):
    return code_cells(nbformat.read(path, as_version=4))[0]


def test_all_notebooks_find_the_clone_by_the_same_folded_cell_of_six_lines():
    cells = [first_code(path) for path in NOTEBOOKS]
    assert len({cell.source for cell in cells}) == 1
    assert sum(bool(line) for line in cells[0].source.splitlines()) <= 6
    for cell in cells:
        assert cell.metadata.jupyter.source_hidden and cell.metadata.tags == ["hide-input"]  # JupyterLab, the book


def run_first_cell(folder):
    """Run the first cell, and import helpers, as in an environment into which nothing is installed."""
    folder.mkdir(parents=True, exist_ok=True)
    code = f"""
import sys
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
{first_code(NOTEBOOKS[0]).source}
import importlib.util
print(importlib.util.find_spec("helpers").origin)
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    options = {"cwd": folder, "env": environment, "capture_output": True, "encoding": "utf-8"}
    # Root may read everything, unless it gives up that capability.
    as_reader = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if shutil.which("setpriv") else []
    return subprocess.run([*as_reader, sys.executable, "-c", code], **options)


@pytest.fixture
def clone(tmp_path):
    shutil.copytree(ROOT / "helpers", tmp_path / "clone" / "helpers", copy_function=shutil.copyfile)
    return tmp_path / "clone"


@pytest.mark.parametrize("folder", ["clone/notebooks", "clone", ""], ids=["in it", "at its root", "beside it"])
@pytest.mark.parametrize("beside", ["nothing", "helpers.py", "helpers/__init__.py", "unreadable"])
def test_a_notebook_finds_the_clone_whatever_lies_beside_it(tmp_path, clone, folder, beside):
    place = tmp_path / folder / beside
    place.parent.mkdir(parents=True, exist_ok=True)
    if beside == "unreadable":
        place.mkdir(mode=0)
    elif beside != "nothing" and not place.exists():
        place.touch()
    result = run_first_cell(tmp_path / folder)
    assert Path(result.stdout.strip()) == clone / "helpers" / "__init__.py", result.stderr


def test_a_notebook_without_a_clone_says_what_to_do(tmp_path):
    result = run_first_cell(tmp_path / "alone")
    assert result.returncode == 1
    assert "Clone or unpack this notebook's repository into the notebook's folder" in result.stderr
