"""The notebooks' form: executed in order, clean, explained, accessible. Their outputs are compared by nbval."""

import base64
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

from reading import code_cells, pictures

ROOT = Path(__file__).parent.parent
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
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.sub(r"```.*?```|\$\$.*?\$\$|`[^`]*`", "", text, flags=re.DOTALL)


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
    colours_and_pictures = r'\\u001b\[[0-9;]*m|"image/png": "[^"]*"'
    found = ABSOLUTE_PATH.search(re.sub(colours_and_pictures, "", path.read_text(encoding="utf-8")))
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


def test_links_lead_somewhere(path, notebook):
    text = markdown(notebook)
    headings = re.findall(r"^#+ +(.+)$", text, flags=re.MULTILINE)
    anchors = {heading.strip().replace(" ", "-") for heading in headings}
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, anchor = unquote(target).partition("#")
        if file.startswith(("http:", "https:")):
            continue
        assert not file or (path.parent / file).exists(), target
        assert file or anchor in anchors, target


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
    return code_cells(nbformat.read(path, as_version=4))[0].source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_cell_that_finds_the_clone_is_folded(path):
    metadata = code_cells(nbformat.read(path, as_version=4))[0].metadata
    assert metadata.jupyter.source_hidden  # in JupyterLab
    assert metadata.tags == ["hide-input"]  # in the book


def test_all_notebooks_find_the_clone_in_the_same_way():
    assert "ModuleNotFoundError" in first_code(NOTEBOOKS[0])
    assert len({first_code(path) for path in NOTEBOOKS}) == 1


# As in an environment into which the clone is not installed.
NOT_INSTALLED = """
import sys
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
sys.path = sys.path[1:]
exec(FIRST_CELL)
print(importlib.util.find_spec("helpers").origin)
"""


def run_first_cell(folder):
    folder.mkdir(parents=True, exist_ok=True)
    code = NOT_INSTALLED.replace("FIRST_CELL", repr(first_code(NOTEBOOKS[0])))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, encoding="utf-8"
    )


@pytest.mark.parametrize("folder", ["clone/notebooks", "clone", ""], ids=["in it", "at its root", "beside it"])
def test_a_notebook_opened_outside_the_environment_finds_the_clone(tmp_path, folder):
    shutil.copytree(ROOT / "helpers", tmp_path / "clone" / "helpers", copy_function=shutil.copyfile)
    result = run_first_cell(tmp_path / folder)
    found = Path(result.stdout.splitlines()[0])
    assert found == tmp_path / "clone" / "helpers" / "__init__.py", result.stderr


def test_a_notebook_without_a_clone_says_what_to_do(tmp_path):
    result = run_first_cell(tmp_path / "alone")
    assert result.returncode == 1
    assert "ModuleNotFoundError: This notebook needs the repository that it comes from" in result.stderr
    assert "Clone or unpack it into this notebook's folder" in result.stderr
