"""How the suite runs: on which device, what may differ between outputs, and each exercise's solution."""

import os
import warnings
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_output
from nbval.plugin import IPyNbCell

from figures import MEASURED, TOLERANCE, comparable, difference, pictures_of
from notebook_io import solved_exercise

TESTS = Path(__file__).parent / "tests"
if os.environ.get("TORCH_DEVICE") == "gpu:0":  # no machine has it: simulated here, and in the notebooks' kernels
    import second_device

    second_device.install()
    os.environ["IPYTHONDIR"] = str(TESTS / "second_device_kernel")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])


def pytest_configure(config):
    """Find the file of patterns also when pytest was started in another folder; several processes share the cores."""
    if workers := config.getoption("numprocesses", None):
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
        # Linux would hand large blocks of memory back in every training step, and clear them in the next.
        os.environ |= {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "2000000000"}
    config.option.nbval_sanitize_with = str(TESTS / "notebooks" / "nbval_sanitize.cfg")


def pytest_runtest_setup(item):
    """Skip what this machine has no device for."""
    if item.get_closest_marker("cuda"):
        import torch  # not before it is needed: the import takes seconds, and settles the number of threads

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA GPU, and this machine has none")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """After a cell has run, and nbval has found no difference in its text, compare its figures."""
    result = yield
    compared = isinstance(item, IPyNbCell) and item.options["check"]  # not with --nbval-lax
    if compared and MEASURED not in item.cell.metadata.get("tags", []):
        _compare_figures(item)
    return result


def _compare_figures(item):
    stored, drawn = pictures_of(item.cell), pictures_of({"outputs": item.test_outputs})
    if stored and not comparable(item.parent.nb):
        warnings.warn("figures not compared: another version of matplotlib drew those stored", stacklevel=1)
        return
    for number, pictures in enumerate(zip(stored, drawn, strict=True), start=1):
        if (found := difference(*pictures)) > TOLERANCE:
            item.raise_cell_error(f"Figure {number} differs", f"by {found:.1f}, and {TOLERANCE} is allowed")


def pytest_collection_modifyitems(items):
    """After each exercise cell, run its folded solution in the same kernel, and expect "right"; mark all cells."""
    for position, item in reversed(list(enumerate(items))):
        if isinstance(item, IPyNbCell) and (solved := solved_exercise(item.parent.nb, item.cell)):
            items.insert(position + 1, _solution_item(item, *solved))
    for item in items:
        if isinstance(item, IPyNbCell):
            item.add_marker("device")


def _solution_item(item, exercise, solution):
    # For the summary at the notebook's end, which is stored as a reader finds it, nothing is solved yet.
    forget = f'\nimport helpers.notebook\nhelpers.notebook.solved["{exercise}"] = False'
    cell = new_code_cell(solution + forget, execution_count=1)
    cell.outputs = [new_output("stream", name="stdout", text=f"Exercise {exercise}: right.\n")]
    options = {"check": True, "check_exception": False, "skip": False}
    return IPyNbCell.from_parent(
        item.parent, name=f"Solution {exercise}", cell_num=item.cell_num, cell=cell, options=options
    )
