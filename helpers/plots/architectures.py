"""Block diagrams of networks, drawn from the modules themselves."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch
from torch import Tensor, nn

from helpers.plots.style import new_figure
from helpers.plots.tracing import LayerInfo, trace_layers

# Grounds of blocks. Source: M. A. Petroff, "Accessible Color Sequences for Data Visualization", 2021,
# https://arxiv.org/abs/2107.02270.
COLORS = {
    "fully connected": "#3f90da",
    "convolution": "#ffa90e",
    "transposed convolution": "#bd1f01",
    "recurrent": "#832db6",
    "attention": "#717581",
    "pooling": "#a96b59",
    "normalization": "#b9ac70",
    "activation": "#92dadd",
    "sum": "#e76300",
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
    nn.LayerNorm: "normalization",
    nn.BatchNorm2d: "normalization",
}


def architecture_gallery(models: dict[str, tuple[nn.Module, Tensor]], *, columns: int = 5) -> Figure:
    """Networks side by side, each a column of blocks from the input (top) to the output (bottom).

    Each block is an operation, found by tracing the module. Its color shows the kind of operation, the text its name
    and the shape of its output without the batch, and its width grows with the logarithm of the output's size. An arrow
    at the side skips blocks: its output is read again further down. A loop marks a recurrent layer. The names at the
    left are those of submodules.

    Args:
        models: For each title, a module and an example input, batch first.
        columns: Number of networks in a row.

    Raises:
        ValueError: If there is no model, or ``columns`` is below 1.
    """
    if not models or columns < 1:
        raise ValueError(f"need at least one model and one column: got {len(models)} models, {columns} columns")
    drawn = {title: trace_layers(module, example) for title, (module, example) in models.items()}
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
    used = {_label_and_kind(layer)[1] for layers in drawn.values() for layer in layers}
    keys = [Patch(color=color, alpha=0.5, label=kind) for kind, color in COLORS.items() if kind in used]
    figure.legend(handles=keys, loc="outside lower center", ncols=5, fontsize=8)
    return figure


def _label_and_kind(layer: LayerInfo) -> tuple[str, str]:
    """Name of a block, and its kind: a key of ``COLORS``."""
    if not layer.sources:
        return "input", "other"
    if layer.module is None:
        return ("+", "sum") if layer.name in ("add", "iadd") else (layer.name, "other")
    kind = next((kind for type_, kind in KINDS.items() if isinstance(layer.module, type_)), None)
    if kind is None:
        kind = "activation" if type(layer.module).__module__ == "torch.nn.modules.activation" else "other"
    return type(layer.module).__name__.replace("Multihead", "").replace("Adaptive", ""), kind


def _part(layer: LayerInfo) -> str:
    """Name of the submodule that contains a layer; '' if there is none."""
    first, *rest = layer.name.split(".")
    return first if layer.module is not None and rest and not first.isdigit() else ""


def _draw(ax: Axes, layers: list[LayerInfo]) -> None:
    largest = max(math.log2(1 + math.prod(layer.shape)) for layer in layers)
    for row, layer in enumerate(layers):
        label, kind = _label_and_kind(layer)
        half = 0.38 + 0.3 * math.log2(1 + math.prod(layer.shape)) / largest
        style = {"boxstyle": "round,pad=0,rounding_size=0.08", "facecolor": COLORS[kind], "edgecolor": "0.3"}
        ax.add_patch(FancyBboxPatch((-half, row - 0.34), 2 * half, 0.68, alpha=0.5, **style))
        shape = "×".join(map(str, layer.shape))
        ax.text(0, row, f"{label}\n{shape}", ha="center", va="center", fontsize=7, linespacing=1.0)
        for source in layer.sources:
            if source == row - 1:
                ax.annotate("", (0, row - 0.32), (0, row - 0.68), arrowprops={"arrowstyle": "->", "lw": 0.8})
            else:
                bend = {"arrowstyle": "->", "lw": 1.2, "connectionstyle": "bar,fraction=-0.12"}
                tip, start = (0.68, row - 0.12), (0.68, source + 0.12)  # arrows do not touch
                ax.annotate("", tip, start, arrowprops={**bend, "shrinkA": 0, "shrinkB": 0})
        if kind == "recurrent":
            ax.annotate("↻", (half + 0.04, row), va="center", fontsize=13, annotation_clip=False)
    parts = [_part(layer) for layer in layers]
    for part in dict.fromkeys(filter(None, parts)):
        rows = [row for row, name in enumerate(parts) if name == part]
        ax.plot([-0.82, -0.82], [rows[0] - 0.4, rows[-1] + 0.4], color="0.4", linewidth=1)
        ax.text(-0.87, sum(rows) / len(rows), part, rotation=90, ha="right", va="center", fontsize=7, color="0.3")
