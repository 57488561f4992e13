"""The links of a page, which is Markdown or a notebook, and the names by which links reach its headings."""

import re
from pathlib import Path

import nbformat

FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r'\]\(([^)\s]+)\)|(?:href|src)="([^"]+)"')
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def links_in(page: Path) -> list[str]:
    """The targets of a page's links and pictures, as they are written; what stands in code is none."""
    return ["".join(found) for found in LINK.findall(re.sub(r"`[^`\n]*`", "", _text_of(page)))]


def anchors_in(page: Path) -> set[str]:
    """The anchors of a page's headings: JupyterLab's in a notebook, GitHub's in a Markdown file."""
    anchor = jupyter_anchor if page.suffix == ".ipynb" else github_anchor
    return {anchor(heading.replace("`", "")) for heading in HEADING.findall(_text_of(page))}


def jupyter_anchor(heading: str) -> str:
    """The name by which JupyterLab knows a heading; the book has the same, so the notebooks' links work in both."""
    return heading.replace(" ", "-")


def github_anchor(heading: str) -> str:
    """The name by which GitHub knows a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def markdown_of(notebook: nbformat.NotebookNode) -> str:
    """The text of a notebook's Markdown cells."""
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def _text_of(page: Path) -> str:
    """A page's Markdown, without fenced code."""
    if page.suffix == ".ipynb":
        text = markdown_of(nbformat.read(page, as_version=4))
    else:
        text = page.read_text(encoding="utf-8")
    return FENCED.sub("", text)
