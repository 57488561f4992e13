"""Which notebooks a change may touch."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import refresh


@pytest.fixture(autouse=True)
def notebooks(tmp_path, monkeypatch):
    paths = [tmp_path / "01_first.ipynb", tmp_path / "02_second.ipynb"]
    nbformat.write(new_notebook(cells=[new_markdown_cell("see results.json")]), paths[0])
    nbformat.write(new_notebook(cells=[new_code_cell('read(folder / "results.json")')]), paths[1])
    monkeypatch.setattr(refresh, "NOTEBOOKS", paths)


@pytest.mark.parametrize(
    ("changed", "touched"),
    [
        (["helpers/data.py", "README.md"], ["01_first", "02_second"]),
        (["data/digits/0.png"], ["01_first", "02_second"]),
        (["requirements.txt"], ["01_first", "02_second"]),
        (["notebooks/01_first.ipynb"], ["01_first"]),
        (["benchmarks/results.json"], ["02_second"]),  # its code reads this file
        (["README.md", "tests/unit/test_data.py", "notebooks/cover.png"], []),
        ([], []),
    ],
)
def test_notebooks_touched_by_a_change(changed, touched):
    assert [path.stem for path in refresh.touched_by(changed)] == touched
