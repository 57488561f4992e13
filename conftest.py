"""How the suite runs: what may differ between outputs, what needs a GPU, and each exercise's solution."""

import ast
import os
import re
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_output
from nbval.plugin import IPyNbCell

SOLUTION = re.compile(r"<details>.*?<summary>Solution</summary>.*?```python\n(.*?)```", re.DOTALL)
CHECK = re.compile(r'check_answer\(\s*"([\d.]+)"')

if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):  # they share the cores; read when PyTorch is imported
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(workers))))


def pytest_configure(config):
    """Find the file of patterns also when pytest was started in another folder."""
    config.option.nbval_sanitize_with = str(Path(__file__).parent / "tests" / "nbval_sanitize.cfg")


def pytest_runtest_setup(item):
    """Skip what this machine has no device for."""
    if item.get_closest_marker("cuda"):
        import torch  # not before it is needed: the import takes seconds, and settles the number of threads

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA GPU, and this machine has none")


def pytest_collection_modifyitems(items):
    """After each exercise cell, run its folded solution in the same kernel, and expect "right"."""
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
