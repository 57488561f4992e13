"""A directed graph, drawn by the distance of its nodes from where it begins."""

from collections.abc import Hashable, Mapping, Sequence

from matplotlib.figure import Figure

from helpers.plots.style import new_figure


def graph(successors: Mapping[Hashable, Sequence[Hashable]], labels: Mapping[Hashable, str]) -> Figure:
    """Boxes and arrows: what nothing leads to stands on the right, and every arrow points to the left.

    A node's column is the number of steps of the longest way that leads to it. Ends, with no successor, are orange.

    Args:
        successors: for each node, the nodes that its arrows lead to; each of these must be a key, too.
        labels: for each node, the text in its box.

    Raises:
        ValueError: if there is no node, if a successor is no key, a label is missing, or arrows lead in a circle.
    """
    places = _places(successors)
    if missing := [node for node in successors if node not in labels]:
        raise ValueError(f"nodes without a label: {missing}")
    columns, rows = zip(*places.values())
    figure, ax = new_figure(height=0.6 - 0.7 * (min(rows) - 1))
    boxes = {}
    for node, place in places.items():
        look = {"boxstyle": "round", "facecolor": "white", "edgecolor": "C0" if successors[node] else "C1"}
        boxes[node] = ax.text(*place, labels[node], ha="center", va="center", bbox=look).get_bbox_patch()
    for node, following in successors.items():
        for successor in following:
            arrow = {"arrowstyle": "-|>", "color": "0.4", "patchA": boxes[node], "patchB": boxes[successor]}
            ax.annotate("", xy=places[successor], xytext=places[node], arrowprops=arrow)
    ax.set(xlim=(min(columns) - 0.5, 0.5), ylim=(min(rows) - 0.5, 0.5))
    ax.axis("off")
    return figure


def _places(successors: Mapping[Hashable, Sequence[Hashable]]) -> dict[Hashable, tuple[int, int]]:
    """For each node its column, 0 or less, and its row, from 0 downwards."""
    if not successors:
        raise ValueError("a graph without nodes cannot be drawn")
    columns: dict[int, list[Hashable]] = {}
    for node, step in _distances(successors).items():
        columns.setdefault(step, []).append(node)
    return {node: (-step, -row) for step, nodes in columns.items() for row, node in enumerate(nodes)}


def _distances(successors: Mapping[Hashable, Sequence[Hashable]]) -> dict[Hashable, int]:
    """For each node, the number of steps of the longest way that leads to it."""
    steps = dict.fromkeys(successors, 0)
    for _ in range(len(successors) + 1):  # without a circle, no way is longer than the number of nodes
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
