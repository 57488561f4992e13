"""Diagrams drawn from what a model really does."""

import math
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from helpers.plots.style import new_figure

HEIGHT_PER_DOUBLING = 2.35  # of a vector's length, in pixels of a feature map: 4,608 units are 28.6 pixels tall


def layer_diagram(stages: Sequence[tuple[str, tuple[int, ...], int]], title: str = "") -> Figure:
    """What a model does to its input: a block per shape, and between two blocks the operations that lead to the next.

    Args:
        stages: the input, then each operation: its name, its output's shape without the batch, its number of parameters
            (see ``helpers.model.model_stages``).
        title: written above.
    """
    blocks = _merge_stages(stages)
    figure, ax = new_figure(height=2.9)
    tallest = max(_block_size(shape)[1] for _, shape, _ in blocks)
    for position, (operations, shape, parameters) in enumerate(blocks):
        width, height = _block_size(shape)
        width, height = min(0.5, 0.06 + 0.008 * width), 0.2 + 0.8 * height / tallest
        corner = (position - width / 2, -height / 2)
        ax.add_patch(Rectangle(corner, width, height, facecolor="C0", edgecolor="k", alpha=0.75))
        ax.text(position, -0.58, "×".join(map(str, shape)), ha="center", va="top", weight="bold")
        if position:
            ax.annotate("", (position - 0.3, 0), (position - 0.7, 0), arrowprops={"arrowstyle": "->"})
            ax.text(position - 0.5, 0.06, "\n".join(operations), ha="center", va="bottom", fontsize=9)
            if parameters:
                ax.text(position - 0.5, -0.06, f"{parameters:,}", ha="center", va="top", fontsize=9, color="0.35")
    ax.set(xlim=(-0.5, len(blocks) - 0.5), ylim=(-0.75, 0.65), title=title)
    ax.axis("off")
    return figure


def _merge_stages(stages: Sequence[tuple[str, tuple[int, ...], int]]) -> list[tuple[list[str], tuple[int, ...], int]]:
    """Join each operation that keeps the shape to the one before it: (names, shape, parameters) per change of shape."""
    merged: list[tuple[list[str], tuple[int, ...], int]] = []
    for name, shape, parameters in stages:
        if merged and (shape == merged[-1][1]) and len(merged) > 1:
            names, _, total = merged.pop()
            merged.append(([*names, name], shape, total + parameters))
        else:
            merged.append(([name], shape, parameters))
    return merged


def _block_size(shape: tuple[int, ...]) -> tuple[float, float]:
    """Width and height of a block: channels and side of feature maps; 1 and the compressed length of a vector."""
    if len(shape) > 1:
        return shape[0], shape[-1]
    length = shape[0] if shape else 1
    return 1, HEIGHT_PER_DOUBLING * math.log2(max(2, length))
