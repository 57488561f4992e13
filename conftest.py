"""Run each exercise's folded solution in its notebook's kernel, right after the exercise, and expect "right"."""

import ast
import re

from nbformat.v4 import new_code_cell, new_output
from nbval.plugin import IPyNbCell

SOLUTION = re.compile(r"<details>.*?<summary>Solution</summary>.*?```python\n(.*?)```", re.DOTALL)
CHECK = re.compile(r'check_answer\(\s*"([\d.]+)"')


def pytest_collection_modifyitems(items):
    """Insert a test of its solution after each exercise cell."""
    for position, item in reversed(list(enumerate(items))):
        if isinstance(item, IPyNbCell) and (exercise := CHECK.search(item.cell.source)):
            items.insert(position + 1, _solution_item(item, exercise.group(1)))


def _solution_item(item, exercise):
    cells = item.parent.nb.cells
    following = cells[cells.index(item.cell) + 1].source
    solution = SOLUTION.search(following)
    if solution is None:
        raise ValueError(f"exercise {exercise} in {item.path.name} needs a folded solution in the cell after it")
    check = ast.unparse(ast.parse(item.cell.source).body[-1])
    cell = new_code_cell(solution.group(1) + check, execution_count=1)
    cell.outputs = [new_output("stream", name="stdout", text=f"Exercise {exercise}: right.\n")]
    options = {"check": True, "check_exception": False, "skip": False}
    return IPyNbCell.from_parent(
        item.parent, name=f"Solution {exercise}", cell_num=item.cell_num, cell=cell, options=options
    )
