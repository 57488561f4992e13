"""No link in the repository is dead: it leads to a file, and to a heading that the file has, or is an https address."""

import re
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

from links import anchors_in, links_in

ROOT = Path(__file__).resolve().parents[2]
FOUND = [path for kind in ("*.md", "[a-z]*/**/*.md", "notebooks/*.ipynb") for path in sorted(ROOT.glob(kind))]
PAGES = {path.relative_to(ROOT).as_posix(): path for path in FOUND if ROOT / "build" not in path.parents}
ADDRESS = re.compile(r"https://([\w-]+\.)+[a-z]+(/\S*)?")


def dead_links(page):
    for link in links_in(page):
        file, _, anchor = unquote(link).partition("#")
        target = page.parent / file if file else page
        if ":" in file:
            dead = not ADDRESS.fullmatch(link)
        else:
            dead = not target.exists() or (anchor and anchor not in anchors_in(target))
        if dead:
            yield link


@pytest.mark.parametrize("name", PAGES)
def test_no_link_is_dead(name):
    assert list(dead_links(PAGES[name])) == []


DEAD = ["gone.md", "#Ends-here", "http://example.org", "https://nowhere", "b.ipynb#1-Start", "a.md#Start", "a.md#code"]
ALIVE = ["a.md", "#ends-here-or-not", "https://example.org/a", "b.ipynb#1.1-Why-start?", "b.ipynb#1.1-Why-start%3F"]


@pytest.mark.parametrize("link", DEAD + ALIVE)
def test_a_planted_link_is_judged_rightly(tmp_path, link):
    cells = [nbformat.v4.new_markdown_cell("## 1.1 Why start?"), nbformat.v4.new_code_cell("# 1 Start")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "b.ipynb")
    text = f"# Start\n\n## `Ends` here, or not\n\nSee [this]({link}), not `[that](gone)`.\n```\n# Code\n```\n"
    (tmp_path / "a.md").write_text(text)
    assert list(dead_links(tmp_path / "a.md")) == ([link] if link in DEAD else [])
