"""Which notebooks a change may touch."""

import pytest

from refresh import NOTEBOOKS, touched_by


@pytest.mark.parametrize(
    "changed", ["helpers/data.py", "helpers/plots/style.py", "requirements.txt", "data/digits/0.png"]
)
def test_what_all_notebooks_use_touches_all(changed):
    assert touched_by([changed, "README.md"]) == NOTEBOOKS
    assert len(NOTEBOOKS) == 5


def test_a_notebook_touches_itself():
    assert [path.stem for path in touched_by(["notebooks/02_tensor_internals.ipynb"])] == ["02_tensor_internals"]


@pytest.mark.parametrize("changed", [[], ["README.md", "tests/test_data.py"], ["notebooks/cover.png"]])
def test_other_files_touch_none(changed):
    assert touched_by(changed) == []
