"""Block diagrams of networks, drawn from the modules themselves."""

import math
import operator
from typing import NamedTuple

import torch
import torch.fx
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch
from torch import Tensor, nn
from torch.fx.passes.shape_prop import ShapeProp

from helpers.plots.style import new_figure

COLOURS = {
    "fully connected": "C0",
    "convolution": "C1",
    "transposed convolution": "C2",
    "recurrent": "C4",
    "attention": "C8",
    "pooling": "C5",
    "normalisation": "C7",
    "activation": "C9",
    "sum": "C6",
    "other": "0.7",
}
KINDS = {
    nn.Linear: "fully connected",
    nn.modules.conv._ConvTransposeNd: "transposed convolution",
    nn.modules.conv._ConvNd: "convolution",
    nn.RNNBase: "recurrent",
    nn.MultiheadAttention: "attention",
    nn.MaxPool2d: "pooling",
    nn.AvgPool2d: "pooling",
    nn.AdaptiveAvgPool2d: "pooling",
    nn.LayerNorm: "normalisation",
    nn.BatchNorm2d: "normalisation",
}


class Box(NamedTuple):
    """One operation: its name, its kind, its output's shape without the batch, the part it is in, what it reads."""

    name: str
    kind: str
    shape: tuple[int, ...]
    part: str
    sources: tuple[int, ...]


def architecture_gallery(models: dict[str, tuple[nn.Module, Tensor]], *, columns: int = 5) -> Figure:
    """Networks side by side, each a column of blocks from the input (top) to the output (bottom).

    A block is an operation found by tracing the module: its colour tells the kind, its width grows with the logarithm
    of the numbers it puts out, the shape of which (without the batch) stands below its name. An arrow at the side
    leads past blocks to where their result is added; a loop marks a layer that feeds its own output back. Names at the
    left are those of the sub-modules.

    Args:
        models: for each title, a module and an example input, batch first.
        columns: networks in a row.

    Raises:
        ValueError: if there is no model, or ``columns`` is below 1.
    """
    if not models or columns < 1:
        raise ValueError(f"need at least one model and one column: got {len(models)} models, {columns} columns")
    drawn = {title: trace_boxes(module, example) for title, (module, example) in models.items()}
    titles = list(drawn)
    row_titles = [titles[start : start + columns] for start in range(0, len(titles), columns)]
    heights = [max(len(drawn[title]) for title in row) + 1.2 for row in row_titles]
    size = {"width": 1.8 * min(columns, len(titles)), "height": 0.4 * sum(heights) + 0.4}
    figure, axes = new_figure(len(heights), min(columns, len(titles)), height_ratios=heights, squeeze=False, **size)
    for ax in axes.flat:
        ax.axis("off")
    for row, (row_axes, height) in enumerate(zip(axes, heights)):
        for ax, title in zip(row_axes, row_titles[row]):
            ax.set(xlim=(-1, 1), ylim=(height - 0.7, -0.5))
            _draw(ax, drawn[title])
            count = sum(parameter.numel() for parameter in models[title][0].parameters())
            ax.set_title(f"{title}\n{count:,} parameters", fontsize=9, loc="center")
    used = {box.kind for boxes in drawn.values() for box in boxes}
    keys = [Patch(color=colour, alpha=0.5, label=kind) for kind, colour in COLOURS.items() if kind in used]
    figure.legend(handles=keys, loc="outside lower center", ncols=5, fontsize=8)
    return figure


def trace_boxes(model: nn.Module, example: Tensor) -> list[Box]:
    """The operations of ``model`` on ``example`` (batch first), in order, the input first; indexing is left out."""
    traced = torch.fx.symbolic_trace(model)
    with torch.no_grad():
        ShapeProp(traced).propagate(example)
    boxes: list[Box] = []
    position: dict[torch.fx.Node, int] = {}
    for node in traced.graph.nodes:
        sources = tuple(sorted({position[source] for source in node.all_input_nodes if source in position}))
        if node.target is operator.getitem:
            position[node] = sources[0]  # one result of several: no operation of its own
        elif node.op in ("placeholder", "call_module", "call_function", "call_method"):
            position[node] = len(boxes)
            boxes.append(Box(*_name_and_kind(traced, node), _first_shape(node), _part(node), sources))
    return boxes


def _name_and_kind(traced: torch.fx.GraphModule, node: torch.fx.Node) -> tuple[str, str]:
    if node.op == "placeholder":
        return "input", "other"
    if node.op != "call_module":
        name = node.target if isinstance(node.target, str) else node.target.__name__
        return ("+", "sum") if name in ("add", "iadd") else (name, "other")
    module = traced.get_submodule(node.target)
    kind = next((kind for type_, kind in KINDS.items() if isinstance(module, type_)), None)
    if kind is None:
        kind = "activation" if type(module).__module__ == "torch.nn.modules.activation" else "other"
    return type(module).__name__.replace("Multihead", "").replace("Adaptive", ""), kind


def _first_shape(node: torch.fx.Node) -> tuple[int, ...]:
    meta = node.meta["tensor_meta"]
    while not hasattr(meta, "shape"):  # several results, as of a recurrent layer: the first is its output
        meta = meta[0]
    return tuple(meta.shape[1:])


def _part(node: torch.fx.Node) -> str:
    """The named sub-module that an operation belongs to; '' for one that stands alone."""
    path = str(node.target).split(".")
    return path[0] if node.op == "call_module" and len(path) > 1 and not path[0].isdigit() else ""


def _draw(ax: Axes, boxes: list[Box]) -> None:
    largest = max(math.log2(1 + math.prod(box.shape)) for box in boxes)
    for row, box in enumerate(boxes):
        half = 0.38 + 0.3 * math.log2(1 + math.prod(box.shape)) / largest
        style = {"boxstyle": "round,pad=0,rounding_size=0.08", "facecolor": COLOURS[box.kind], "edgecolor": "0.3"}
        ax.add_patch(FancyBboxPatch((-half, row - 0.34), 2 * half, 0.68, alpha=0.5, **style))
        shape = "×".join(map(str, box.shape))
        ax.text(0, row, f"{box.name}\n{shape}", ha="center", va="center", fontsize=7, linespacing=1.0)
        for source in box.sources:
            if source == row - 1:
                ax.annotate("", (0, row - 0.32), (0, row - 0.68), arrowprops={"arrowstyle": "->", "lw": 0.8})
            else:
                bend = {"arrowstyle": "->", "lw": 1.2, "connectionstyle": "bar,fraction=-0.12"}
                tip, start = (0.68, row - 0.12), (0.68, source + 0.12)  # apart where one arrow ends and the next begins
                ax.annotate("", tip, start, arrowprops={**bend, "shrinkA": 0, "shrinkB": 0})
        if box.kind == "recurrent":
            ax.annotate("↻", (half + 0.04, row), va="center", fontsize=13, annotation_clip=False)
    for part in dict.fromkeys(box.part for box in boxes if box.part):
        rows = [row for row, box in enumerate(boxes) if box.part == part]
        ax.plot([-0.82, -0.82], [rows[0] - 0.4, rows[-1] + 0.4], color="0.4", linewidth=1)
        ax.text(-0.87, sum(rows) / len(rows), part, rotation=90, ha="right", va="center", fontsize=7, color="0.3")
