"""Build the book: the notebooks as pages with navigation, search and two themes, in build/book; open its index.html.

The outputs are those stored in the notebooks: nothing is executed. The pages need no network and no server.
"""

import re
import shutil
import sys
from itertools import chain
from pathlib import Path
from urllib.parse import unquote

import nbformat
from sphinx.cmd.build import build_main

from links import links_in

ROOT = Path(__file__).resolve().parent.parent
SOURCE, PAGES = ROOT / "build" / "book-source", ROOT / "build" / "book"
PROJECT = ["SETUP.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md"]
ROW = re.compile(r"^\| *(?:\*\*(.+?)\*\*)? *\| \[.+?\]\((notebooks/.+?\.ipynb)\)", re.MULTILINE)
CONTENTS = """
```{{toctree}}
:hidden:
:caption: {part}

{pages}
```
"""
HOW_TO_RUN = "{{.how-to-run}}\nRun it yourself: type `make lab`, then open `{name}`. See [Start](../index.md#Start)."


def main() -> int:
    """Collect the sources, and have Sphinx make the pages; return Sphinx's exit code."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.rmtree(PAGES, ignore_errors=True)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    parts = parts_of(readme) | {"Project": PROJECT}
    for page in ["README.md", *chain(*parts.values())]:
        _copy_with_linked_files(ROOT / page)
    for notebook in (SOURCE / "notebooks").glob("*.ipynb"):
        nbformat.write(as_page(nbformat.read(notebook, as_version=4), notebook.name), notebook)
    for path in (ROOT / "tools" / "book").iterdir():
        _copy(path, SOURCE / ("" if path.suffix == ".py" else "_static") / path.name)
    contents = [CONTENTS.format(part=part, pages="\n".join(pages)) for part, pages in parts.items()]
    (SOURCE / "README.md").unlink()
    (SOURCE / "index.md").write_text(readme + "".join(contents), encoding="utf-8")
    code = build_main(["-b", "html", "-W", "--keep-going", "-q", str(SOURCE), str(PAGES)])
    print("failed: see above" if code else f"the book: {PAGES / 'index.html'}")
    return code


def parts_of(readme: str) -> dict[str, list[str]]:
    """The book's parts and their notebooks, as the README's table has them: a part's name stands in its first row."""
    parts: dict[str, list[str]] = {}
    for part, notebook in ROW.findall(readme):
        parts.setdefault(part or list(parts)[-1], []).append(notebook)
    return parts


def as_page(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """A notebook for readers: it says how to run it; its first code cell, which finds the repository, is left out."""
    finder = next(cell for cell in notebook.cells if cell.cell_type == "code")
    notebook.cells.remove(finder)
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell(HOW_TO_RUN.format(name=name)))
    return notebook


def _copy_with_linked_files(page: Path) -> None:
    _copy(page, SOURCE / page.relative_to(ROOT))
    for link in links_in(page):
        file = page.parent / unquote(link).partition("#")[0]
        if file.is_file() and file.suffix not in (".md", ".ipynb"):
            _copy(file, SOURCE / file.resolve().relative_to(ROOT))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


if __name__ == "__main__":
    sys.exit(main())
