"""Each term of the glossary leads to a section that speaks of it."""

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
ROW = re.compile(r"^\| \*\*(.+?)\*\* \| .+? \| \[([\d.]+)\]\((.+?)#(.+?)\) \|$", re.MULTILINE)


@cache
def text_of(notebook):
    return "\n\n".join(cell.source for cell in nbformat.read(FOLDER / notebook, as_version=4).cells)


TERMS = ROW.findall(text_of("11_cheat_sheet_and_glossary.ipynb"))


def test_there_are_sixty_terms_in_order_and_the_text_says_so():
    names = [name.lower() for name, *_ in TERMS]
    assert len(names) == len(set(names)) == 60 and names == sorted(names)
    assert "sixty terms" in text_of("11_cheat_sheet_and_glossary.ipynb")


@pytest.mark.parametrize(("names", "number", "notebook", "anchor"), TERMS, ids=[term[0] for term in TERMS])
def test_a_term_is_found_where_its_link_leads(names, number, notebook, anchor):
    heading = unquote(anchor).replace("-", " ")
    sections = re.split(r"^## ", text_of(notebook), flags=re.MULTILINE)
    (section,) = [section for section in sections if section.splitlines()[0].replace("-", " ") == heading]
    assert section.startswith(f"{number} ")
    for name in names.replace("-", " ").split(", "):
        word = re.sub(r" of a .*| layer$| mode$| images$", "", name.lower())
        assert word in re.sub("[-_]", " ", section.lower()), name
