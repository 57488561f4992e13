"""Figures are compared by their pixels; where they show trained or timed values, these are asserted."""

import base64
import io
import re
from pathlib import Path

import nbformat
import pytest
from matplotlib.figure import Figure
from PIL import Image

from figures import MEASURED, TOLERANCE, comparable, difference, pictures_of

PATHS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
NOTEBOOKS = {path.stem: nbformat.read(path, 4) for path in PATHS}
TIMED = "08_training_faster", "09_limits", "10_processes"  # their figures show how long something takes


def picture(slope=1.0, colors=("C0", "C1"), number=1234, mark=50, height=3, **options):
    """A PNG file: two thin lines, a small number and a small mark, on a canvas as wide as a notebook's page."""
    figure = Figure((9, height))
    ax = figure.add_subplot(xlim=(0, 100), ylim=(0, 2.5))
    for rise, color in zip((slope, 2), colors):
        ax.plot([0, 100], [0, rise], color=color, linewidth=0.8)
    ax.plot(mark, 2, "k.", markersize=2)
    ax.text(20, 1.5, number, fontsize=6)
    figure.savefig(stored := io.BytesIO(), format="png", dpi=192, **options)
    return stored.getvalue()


def animation(*pictures):
    first, *others = [Image.open(io.BytesIO(picture)) for picture in pictures]
    first.save(stored := io.BytesIO(), format="PNG", save_all=True, append_images=others)
    return stored.getvalue()


@pytest.mark.parametrize("defect", [{"slope": 1.05}, {"colors": ("C1", "C0")}, {"number": 1284}, {"mark": 51}])
def test_a_moved_line_exchanged_colors_another_digit_and_a_moved_mark_differ(defect):
    assert difference(picture(), picture(**defect)) > 3 * TOLERANCE
    for frames in ([picture(), picture(**defect)], [picture(**defect), picture()]):
        assert difference(animation(picture(), picture()), animation(*frames)) > 3 * TOLERANCE


def test_another_size_and_a_missing_frame_differ_but_what_was_rounded_does_not():
    assert difference(picture(), picture(height=3.1)) > TOLERANCE
    assert difference(animation(picture(), picture(mark=9)), animation(picture())) > TOLERANCE
    assert difference(picture(), picture(slope=1 + 1e-5)) < TOLERANCE / 5


@pytest.mark.parametrize(("metadata", "expected"), [({}, True), ({"Software": "Matplotlib version3.7.0, …"}, False)])
def test_figures_of_another_matplotlib_are_not_compared(metadata, expected):
    data = {"image/png": base64.b64encode(picture(metadata=metadata)).decode()}
    assert comparable(nbformat.from_dict({"cells": [{"outputs": [{"data": data}]}]})) == expected


def test_most_figures_are_compared_and_where_they_are_not_the_section_asserts_something():
    for notebook in NOTEBOOKS.values():
        text = "\n".join(f"{cell.source}\n{cell.metadata.get('tags')}" for cell in notebook.cells)
        for section in re.split("^## ", text, flags=re.MULTILINE):
            assert MEASURED not in section or re.search(r"^\s*assert |assert_close\(", section, re.MULTILINE), section
    untimed = [notebook for name, notebook in NOTEBOOKS.items() if name not in TIMED]
    cells = [cell for notebook in untimed for cell in notebook.cells for _ in pictures_of(cell)]
    assert sum(MEASURED in cell.metadata.get("tags", []) for cell in cells) < len(cells) / 2
