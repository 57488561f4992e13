"""Build the book: the notebooks as pages with navigation, search and two themes, in build/book; open its index.html.

The outputs are those stored in the notebooks: nothing is executed. The pages need no network and no server.
"""

import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

ROOT = Path(__file__).resolve().parent.parent
SOURCE, PAGES = ROOT / "build" / "book-source", ROOT / "build" / "book"
CHAPTERS = ["CONTRIBUTING.md", "CHANGELOG.md", "data/README.md"]
LINKED = ["LICENSE", "CITATION.cff", "notebooks/cover.png", "benchmarks/accuracy_against_time.png"]
CONTENTS = """
```{toctree}
:hidden:

{pages}
```
"""


def main() -> int:
    """Collect the sources, and have Sphinx make the pages; return Sphinx's exit code."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.rmtree(PAGES, ignore_errors=True)
    notebooks = sorted(str(path.relative_to(ROOT).as_posix()) for path in (ROOT / "notebooks").glob("*.ipynb"))
    for name in [*notebooks, *CHAPTERS, *LINKED]:
        _copy(ROOT / name, SOURCE / name)
    for path in (ROOT / "tools" / "book").iterdir():
        _copy(path, SOURCE / ("" if path.suffix == ".py" else "_static") / path.name)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    contents = CONTENTS.replace("{pages}", "\n".join([*notebooks, *CHAPTERS]))
    (SOURCE / "index.md").write_text(readme + contents, encoding="utf-8")
    code = build_main(["-b", "html", "-W", "--keep-going", "-q", str(SOURCE), str(PAGES)])
    print("failed: see above" if code else f"the book: {PAGES / 'index.html'}")
    return code


def anchor(heading: str) -> str:
    """The name by which JupyterLab knows a heading, so that the notebooks' links work in both places."""
    return heading.replace(" ", "-")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


if __name__ == "__main__":
    sys.exit(main())
