"""A directed graph without cycles, drawn from right to left."""

from collections.abc import Hashable, Mapping, Sequence

from matplotlib.figure import Figure

from helpers.plots.style import new_figure


def graph(successors: Mapping[Hashable, Sequence[Hashable]], labels: Mapping[Hashable, str]) -> Figure:
    """Boxes for the nodes and arrows for the edges; every arrow points to the left.

    Nodes without predecessors stand on the right. The column of every other node is the length of the longest path
    that leads to it. Nodes without successors are orange.

    Args:
        successors: For each node, the nodes to which its arrows lead; each of them must be a key, too.
        labels: For each node, the text in its box.

    Raises:
        ValueError: If there is no node, a successor is no key, a label is missing, or there is a cycle.
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
