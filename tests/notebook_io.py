"""Read notebooks and pytest's reports."""

import ast
import re
from collections.abc import Iterator

import nbformat

SOLUTION = re.compile(r"<details>.*?<summary>Solution</summary>.*?```python\n(.*?)```", re.DOTALL)
CHECK = re.compile(r'check_answer\(\s*"([\d.]+)"')


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cells that hold code, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def pictures(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The outputs that hold a picture, in order."""
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    return [output for output in outputs if any(kind.startswith("image/") for kind in output.get("data", {}))]


def failed_tests(report: str) -> Iterator[str]:
    """The tests that pytest names in its short summary, in order."""
    for line in re.finditer(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", report, flags=re.MULTILINE):
        yield line.group(1)


def solved_exercise(notebook: nbformat.NotebookNode, cell: nbformat.NotebookNode) -> tuple[str, str] | None:
    """The number of the exercise that a cell checks, and code that solves and checks it; None for any other cell.

    The code is the folded solution in the next cell, followed by the cell's own call of ``check_answer``.
    """
    exercise = CHECK.search(cell.source)
    if cell.cell_type != "code" or exercise is None:
        return None
    solution = SOLUTION.search(notebook.cells[notebook.cells.index(cell) + 1].source)
    if solution is None:
        raise ValueError(f"exercise {exercise.group(1)} needs a folded solution in the cell after it")
    calls = map(ast.unparse, ast.parse(cell.source).body)
    return exercise.group(1), solution.group(1) + next(call for call in calls if call.startswith("check_answer("))
