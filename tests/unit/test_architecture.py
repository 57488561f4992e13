"""Which module may import which, and that all seeds pass through one of them."""

import ast
import re
import sys
from pathlib import Path

import nbformat
import pytest

from notebook_io import SOLUTION

ROOT = Path(__file__).resolve().parents[2]
HELPERS = sorted((ROOT / "helpers").rglob("*.py"))
CORE = "torch helpers.device helpers.data helpers.model helpers.training helpers.files"
MAY_IMPORT = {
    "files": "",
    "device": "torch numpy",
    "data": "torch torchvision helpers.device helpers.files",
    "model": "torch",
    "training": "torch tqdm",
    "notebook": "torch IPython",
    "recipe": CORE,
    "augmentation": "torch",
    "digits": f"{CORE} numpy scipy PIL",
    "checkpoint": f"{CORE} numpy",
    "distributed": f"{CORE} helpers.recipe helpers.checkpoint",
    "plots": "torch matplotlib numpy PIL IPython ipywidgets ipycanvas helpers.plots",
}
SEEDING = re.compile(r"\b(manual_seed\w*|default_rng|RandomState)\b|\b(Generator|seed)\(")


def imports(source):
    """Packages outside the standard library that are imported, also inside functions; of helpers, the modules."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            names.add("." * node.level + (node.module or ""))
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    names = {re.sub(r"^(?!helpers\b)(\w+).*|^(helpers\.plots)\..*", r"\1\2", name) for name in names}
    return names - sys.stdlib_module_names


def test_a_module_imports_only_what_it_may():
    for path in HELPERS:
        rule = "plots" if path.parent.name == "plots" else path.stem
        if rule != "__init__":  # it gathers them all
            assert imports(path.read_text(encoding="utf-8")) <= set(MAY_IMPORT[rule].split()), path


def sources():
    for path in [*HELPERS, *(ROOT / "benchmarks").glob("*.py")]:
        if path.stem != "device":
            yield path.name, path.read_text(encoding="utf-8")
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            yield path.name, cell.source if cell.cell_type == "code" else "\n".join(SOLUTION.findall(cell.source))


def test_all_seeds_pass_through_the_device_module():
    assert not [(name, line) for name, text in sources() for line in text.splitlines() if SEEDING.search(line)]


BYPASSES = """torch.manual_seed(0); torch.cuda.manual_seed_all(0); torch.Generator("cpu"); np.random.default_rng(0);
np.random.seed(0); random.seed(0); np.random.RandomState(0); from numpy.random import default_rng as rng"""


@pytest.mark.parametrize("code", BYPASSES.split(";"))
def test_a_seed_that_bypasses_it_would_be_noticed(code):
    assert SEEDING.search(code) and not SEEDING.search("seed_everything(0); g: torch.Generator = seeded_generator(0)")
