"""Read notebooks and pytest's reports."""

import re
from collections.abc import Iterator

import nbformat


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cells that hold code, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def failed_tests(report: str) -> Iterator[str]:
    """The tests that pytest names in its short summary, in order."""
    for line in re.finditer(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", report, flags=re.MULTILINE):
        yield line.group(1)
