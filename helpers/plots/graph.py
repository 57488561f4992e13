"""A computation as a graph without cycles: values run forward, from left to right, and gradients run back."""

from collections.abc import Collection, Hashable, Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import ScaledTranslation, Transform

from helpers.plots.style import FORWARD, GRADIENT, INK, MUTED, PALE, PARAMETER, new_figure


def graph(
    successors: Mapping[Hashable, Sequence[Hashable]],
    labels: Mapping[Hashable, str],
    values: Mapping[Hashable, str] | None = None,
    gradients: Mapping[tuple[Hashable, Hashable], str] | None = None,
    *,
    parameters: Collection[Hashable] = (),
) -> Figure:
    """Draw each node as a box, and its successors, from which it is computed, to the left of it.

    The result, which nobody reads, stands on the right. The column of every other node is the length of the longest
    path that leads to it. Without values and gradients, plain arrows lead from each node to its successors.

    Args:
        successors: For each node, the nodes that it reads; each of them must be a key, too.
        labels: For each node, the text in its box.
        values: For nodes, their value; it stands beside blue arrows to the nodes that read it.
        gradients: For pairs of a node and its successor, what the first sends to the second: a vermilion arrow.
        parameters: Nodes whose boxes are green.

    Raises:
        ValueError: If there is no node, a successor is no key, a label is missing, or there is a cycle.
    """
    places = _places(successors)
    if missing := [node for node in successors if node not in labels]:
        raise ValueError(f"nodes without a label: {missing}")
    columns, rows = zip(*places.values())
    figure, ax = new_figure(height=0.75 - 1.05 * (min(rows) - 1))
    ax.set(xlim=(min(columns) - 0.4, 0.4), ylim=(min(rows) - 0.4, 0.4))
    ax.axis("off")
    figure.draw_without_rendering()  # decides where the axes are
    boxes = {}
    for node, place in places.items():
        edge = PARAMETER if node in parameters else INK if successors[node] else PALE
        ground, ink = (PARAMETER, "white") if node in parameters else ("white", INK)
        look = {"boxstyle": "round,pad=0.5", "facecolor": ground, "edgecolor": edge, "linewidth": 1.5}
        boxes[node] = ax.text(*place, labels[node], ha="center", va="center", color=ink, size=12, bbox=look)
    values, gradients = values or {}, gradients or {}
    for node, read in ((node, read) for node, following in successors.items() for read in following):
        if read in values:
            _arrow(ax, (boxes[read], boxes[node]), values[read], FORWARD)
        if (node, read) in gradients:
            _arrow(ax, (boxes[node], boxes[read]), gradients[node, read], GRADIENT)
        elif not values:
            _arrow(ax, (boxes[node], boxes[read]), "", MUTED, aside=0)
    return figure


def _arrow(ax: Axes, boxes: tuple[Text, Text], text: str, color: str, *, aside: float = 4) -> None:
    """Draw an arrow between two boxes, some points to the left of the way from one to the other, its text beside it."""
    start, end = (box.get_position() for box in boxes)
    (x, y), (x_end, y_end) = ax.transData.transform([start, end]).tolist()
    left = torch.tensor([y - y_end, x_end - x])
    left /= left.norm()

    def moved(points: float) -> Transform:
        return ax.transData + ScaledTranslation(*(points / 72 * left).tolist(), ax.figure.dpi_scale_trans)

    look = {"arrowstyle": "-|>", "color": color, "linewidth": 1.6, "shrinkA": 3, "shrinkB": 3, "mutation_scale": 13}
    look["patchA"], look["patchB"] = (box.get_bbox_patch() for box in boxes)
    ax.annotate("", xy=end, xytext=start, arrowprops=look, xycoords=moved(aside), textcoords=moved(aside))
    across, up = (0 if abs(part) < 0.3 else 1 if part > 0 else -1 for part in left.tolist())
    alignment = {"ha": ("center", "left", "right")[across], "va": ("center", "bottom", "top")[up]}
    middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    ax.text(*middle, text, color=color, weight="bold", size=11, transform=moved(aside + 4), **alignment)


def _places(successors: Mapping[Hashable, Sequence[Hashable]]) -> dict[Hashable, tuple[int, int]]:
    """Column and row of each node, both 0 or less."""
    if not successors:
        raise ValueError("a graph without nodes cannot be drawn")
    columns: dict[int, list[Hashable]] = {}
    for node, step in _distances(successors).items():
        columns.setdefault(step, []).append(node)
    return {node: (-step, -row) for step, nodes in columns.items() for row, node in enumerate(nodes)}


def _distances(successors: Mapping[Hashable, Sequence[Hashable]]) -> dict[Hashable, int]:
    """Length of the longest path to each node."""
    steps = dict.fromkeys(successors, 0)
    for _ in range(len(successors) + 1):  # without a cycle, no path is longer than this
        changed = False
        for node, following in successors.items():
            for successor in following:
                if successor not in steps:
                    raise ValueError(f"an arrow leads to {successor!r}, which is no node of the graph")
                if steps[successor] <= steps[node]:
                    steps[successor] = steps[node] + 1
                    changed = True
        if not changed:
            return steps
    raise ValueError("the arrows lead in a circle")
