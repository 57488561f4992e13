"""The glossary explains each term that a notebook sets in bold, and leads to the section that does so."""

import re
from pathlib import Path

import nbformat
import pytest

from links import jupyter_anchor, markdown_of
from run_notebooks import SECTION

*NOTEBOOKS, LAST = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
BOLD = re.compile(r"(?<!\w)\*\*(?! )([^*]+)\*\*")  # and not 2**3
ROW = re.compile(r"^\| \*\*(.+?)\*\* \| (.+?) \| \[([\d.]+)\]\((.+)\) \|$", re.MULTILINE)
LONGEST = 24  # words of a meaning


def prose(path):
    return markdown_of(nbformat.read(path, as_version=4))


def key(term):
    """A term as it is compared and sorted: in lower case, and without the s of a plural."""
    return term.strip("`").lower().removesuffix("s")


def bold_terms(name, text):
    """Each bold term and the link to its section; bold sentences and lines are headings, and no terms."""
    title, *parts = SECTION.split(text)
    for heading, section in [("", title), *zip(parts[::2], parts[1::2])]:
        for line in section.splitlines():
            for bold in BOLD.findall(line):
                if bold[-1] not in ".?" and line != f"**{bold}**":
                    yield key(bold), f"{name}#{jupyter_anchor(heading)}"


ROWS = ROW.findall(prose(LAST))


def test_the_glossary_lists_the_bold_terms_in_order_each_with_its_section():
    bold = [term for path in NOTEBOOKS for term in bold_terms(path.name, prose(path))]
    assert [(key(term), link) for term, _, _, link in ROWS] == sorted(bold)


@pytest.mark.parametrize(("meaning", "number", "link"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_meaning_is_one_short_phrase_and_its_link_shows_the_number(meaning, number, link):
    assert len(meaning.split()) <= LONGEST and not re.search("[.?!]", meaning)
    assert link.split("#")[1].startswith(f"{number}-")


def test_a_bold_word_is_a_term_and_a_bold_sentence_or_line_is_none():
    text = "# 1\n\n**a**.\n\n**Contents**\n\n## 1.1 On terms\n\n**Ways.** Here `2**3` is **b**\n\n"
    text += "## 1.2 Two\n\n**`C`** follow.\n\n**Why?** So."
    assert list(bold_terms("n", text)) == [("a", "n#"), ("b", "n#1.1-On-terms"), ("c", "n#1.2-Two")]
