"""The short path, the sections that a notebook's contents mark with ◆, needs nothing from the other sections."""

import builtins
import symtable
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from notebook_io import code_cells
from run_notebooks import MARKED, SECTION, short_path

*NOTEBOOKS, _ = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
GIVEN = {*dir(builtins), "__file__", "__name__", "get_ipython"}


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def names(source):
    """The names that a cell loads at once, those that its functions load when they are called, those that it binds."""
    tables = [symtable.symtable(TransformerManager().transform_cell(source), "cell", "exec")]
    for table in tables:  # which grows meanwhile
        tables += table.get_children()
    at_once, *later = [
        {name.get_name() for name in table.get_symbols() if name.is_referenced() and name.is_global()}
        for table in tables
    ]
    bound = {name.get_name() for name in tables[0].get_symbols() if name.is_assigned() or name.is_imported()}
    return at_once, set().union(*later), bound


def test_the_contents_alone_mark_three_to_five_sections(notebook):
    (contents,) = [cell.source for cell in notebook.cells if "◆" in cell.source]
    assert contents.startswith("**Contents**")
    marked = MARKED.findall(contents)
    headings = [heading for cell in notebook.cells for heading in SECTION.findall(cell.source)]
    assert 3 <= len(marked) <= 5 and set(marked) < set(headings)
    assert "\n\n◆ In a hurry?" in contents and contents.count("◆") == len(marked) + 1


def test_no_name_comes_from_another_section(notebook):
    bound, later = set(GIVEN), set()
    for cell in code_cells(nbformat.v4.new_notebook(cells=short_path(notebook))):
        at_once, in_functions, bound_here = names(cell.source)
        bound |= bound_here
        later |= in_functions
        assert at_once <= bound, cell.source
    assert later <= bound
