"""The shapes of a model's layers, as blocks."""

import math
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from helpers.plots.style import new_figure
from helpers.plots.tracing import LayerInfo

HEIGHT_PER_DOUBLING = 2.35  # a vector as tall as a map of so many pixels; 4,608 numbers: 28.6 pixels


def layer_diagram(layers: Sequence[LayerInfo], title: str = "") -> Figure:
    """Blocks for the shapes that an input takes on its way through a model, with the operations between the blocks.

    Args:
        layers: Operations of the model, the input first, as ``trace_layers`` returns them.
        title: Title of the figure.
    """
    blocks = _merge_layers(layers)
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


def _merge_layers(layers: Sequence[LayerInfo]) -> list[tuple[list[str], tuple[int, ...], int]]:
    """(Names, shape, parameters) of each block: operations that keep the shape join the one before them."""
    merged: list[tuple[list[str], tuple[int, ...], int]] = []
    for name, _, shape, parameters, _ in layers:
        if merged and (shape == merged[-1][1]) and len(merged) > 1:
            names, _, total = merged.pop()
            merged.append(([*names, name], shape, total + parameters))
        else:
            merged.append(([name], shape, parameters))
    return merged


def _block_size(shape: tuple[int, ...]) -> tuple[float, float]:
    """Width and height of a block: for feature maps, channels and side; for a vector, 1 and a log of its length."""
    if len(shape) > 1:
        return shape[0], shape[-1]
    length = shape[0] if shape else 1
    return 1, HEIGHT_PER_DOUBLING * math.log2(max(2, length))
