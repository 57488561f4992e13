"""Block diagrams of networks, drawn from the modules themselves."""

import math
from itertools import accumulate

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle
from matplotlib.path import Path
from torch import Tensor, nn

from helpers.plots.style import ACCENT, INK, MUTED, PARAMETER, new_figure, paler
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


GATES = {nn.RNN: ["tanh"], nn.LSTM: ["i", "f", "g", "o"], nn.GRU: ["r", "z", "n"]}  # as PyTorch names them
FULL, THIN, RECURRENT, GAP = 0.9, 0.46, 1.75, 0.26  # heights of blocks, and the distance of two


def architecture_gallery(models: dict[str, tuple[nn.Module, Tensor]], *, columns: int = 5) -> Figure:
    """Networks side by side, each a column of blocks from the input (top) to the output (bottom).

    Each block is an operation, found by tracing the module; the text is its name and the shape of its output without
    the batch. Feature maps are volumes, as wide as the maps in pixels and the deeper the more maps there are; the
    width of other blocks grows with the logarithm of the output's size. Arcs skip blocks, loops mark recurrent layers,
    which show their gates. Names along a line are those of submodules.

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
    heights = [max(_places(drawn[title])[-1][1] for title in row) + 0.3 for row in row_titles]
    size = {"width": 1.8 * min(columns, len(titles)), "height": 0.43 * sum(heights) + 0.5 * len(heights)}
    figure, axes = new_figure(len(heights), min(columns, len(titles)), height_ratios=heights, squeeze=False, **size)
    for ax in axes.flat:
        ax.axis("off")
    for row, (row_axes, height) in enumerate(zip(axes, heights)):
        for ax, title in zip(row_axes, row_titles[row]):
            ax.set(xlim=(-1, 1), ylim=(height, -0.1))
            _draw(ax, drawn[title])
            count = sum(parameter.numel() for parameter in models[title][0].parameters())
            ax.set_title(f"{title}\n{count:,} parameters", fontsize=9.5, loc="center")
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


def _places(layers: list[LayerInfo]) -> list[tuple[float, float]]:
    """Top and bottom of each block."""
    heights = []
    for layer in layers:
        label, kind = _label_and_kind(layer)
        thin = kind in ("activation", "sum") or label == "Flatten"
        heights.append(RECURRENT if kind == "recurrent" else THIN if thin else FULL)
    bottoms = list(accumulate(heights, lambda bottom, height: bottom + GAP + height))
    return [(bottom - height, bottom) for bottom, height in zip(bottoms, heights)]


def _half(layer: LayerInfo, layers: list[LayerInfo]) -> float:
    """Half the width of a block."""
    if len(layer.shape) == 3:
        widest = max(other.shape[-1] for other in layers if len(other.shape) == 3)
        return 0.34 * max(layer.shape[-1] / widest, 0.1)
    if any(len(other.shape) == 3 for other in layers):
        return 0.03 * math.log2(1 + math.prod(layer.shape))
    largest = max(math.log2(1 + math.prod(other.shape)) for other in layers)
    return 0.3 + 0.33 * math.log2(1 + math.prod(layer.shape)) / largest


def _draw(ax: Axes, layers: list[LayerInfo]) -> None:
    places = _places(layers)
    middle = -0.34 if any(len(layer.shape) == 3 for layer in layers) else 0.0  # volumes have their text beside them
    for row, (layer, (top, bottom)) in enumerate(zip(layers, places)):
        kind, half = _label_and_kind(layer)[1], _half(layer, layers)
        _draw_block(ax, layer, middle, half, top, bottom)
        for source in layer.sources:
            if source == row - 1:
                arrow = {"arrowstyle": "-|>", "lw": 0.8, "color": INK, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 7}
                ax.annotate("", (middle, top), (middle, places[source][1]), arrowprops=arrow)
            else:
                side = -1 if middle else 1  # where no text stands
                from_sum = _label_and_kind(layers[source])[1] == "sum"
                edge = 0.14 if from_sum else _half(layers[source], layers) + 0.02
                start = middle + side * edge, sum(places[source]) / 2
                _draw_skip(ax, start, (middle + side * 0.14, (top + bottom) / 2), side)
        if kind == "recurrent":
            _draw_gates(ax, layer, half, top, bottom)
    _draw_parts(ax, layers, places)


def _draw_block(ax: Axes, layer: LayerInfo, x: float, half: float, top: float, bottom: float) -> None:
    label, kind = _label_and_kind(layer)
    look = {"facecolor": paler(COLORS[kind], 0.45), "edgecolor": "0.35", "linewidth": 0.8}
    middle = (top + bottom) / 2
    if kind == "sum":
        ax.text(x, middle, label, ha="center", va="center", fontsize=11, bbox={"boxstyle": "circle,pad=0.15", **look})
        return
    if len(layer.shape) == 3:  # a volume, whose maps lie one behind the other
        depth = 0.035 * math.log2(1 + layer.shape[0])
        rise, left, right = 1.3 * depth, x - half, x + half
        above = [(left, top + rise), (right, top + rise), (right + depth, top), (left + depth, top)]
        beside = [(right, top + rise), (right + depth, top), (right + depth, bottom - rise), (right, bottom)]
        for corners in (above, beside):
            ax.add_patch(Polygon(corners, **{**look, "facecolor": paler(COLORS[kind], 0.75)}))
        ax.add_patch(Rectangle((left, top + rise), 2 * half, bottom - top - rise, **look))
    else:
        style = {"boxstyle": "round,pad=0,rounding_size=0.06", **look}
        ax.add_patch(FancyBboxPatch((x - half, top), 2 * half, bottom - top, **style))
    thin = bottom - top <= THIN + 1e-9
    shape = "×".join(map(str, layer.shape))
    text = label.replace("Transpose2d", "Transp.") + ("" if thin else f"\n{shape}")
    if kind == "recurrent":
        middle = top + 0.42
    place = {"x": 0.2, "ha": "left"} if x else {"x": 0, "ha": "center"}
    ax.text(y=middle, s=text, va="center", fontsize=9, linespacing=1.0, **place)


def _draw_skip(ax: Axes, start: tuple[float, float], end: tuple[float, float], side: int) -> None:
    """An arc past the blocks between."""
    outside = side * 1.05  # of the text or the blocks between
    curve = Path([start, (outside, start[1]), (outside, end[1]), end], [Path.MOVETO] + 3 * [Path.CURVE4])
    look = {"arrowstyle": "-|>", "mutation_scale": 10, "edgecolor": ACCENT, "facecolor": ACCENT, "linewidth": 1.6}
    ax.add_patch(FancyArrowPatch(path=curve, zorder=3, **look))


def _draw_gates(ax: Axes, layer: LayerInfo, half: float, top: float, bottom: float) -> None:
    """The gates of a recurrent layer as circles in its block, and a loop."""
    gates = next((gates for kind, gates in GATES.items() if isinstance(layer.module, kind)), [])
    y = bottom - 0.42
    for number, gate in enumerate(gates):
        x = 0.29 * (number - (len(gates) - 1) / 2)
        style = {
            "boxstyle": f"circle,pad={0.1 if len(gate) > 1 else 0.25}",
            "facecolor": "white",
            "edgecolor": PARAMETER,
        }
        ax.text(x, y, gate, ha="center", va="center", fontsize=9, color=PARAMETER, bbox=style)
    loop = {"connectionstyle": "arc3,rad=1.0", "arrowstyle": "-|>", "mutation_scale": 10, "color": ACCENT}
    start, end = (half, bottom - 0.35), (half, top + 0.35)
    ax.add_patch(FancyArrowPatch(start, end, linewidth=1.6, shrinkA=0, shrinkB=0, zorder=3, **loop))


def _draw_parts(ax: Axes, layers: list[LayerInfo], places: list[tuple[float, float]]) -> None:
    parts = [_part(layer) for layer in layers]
    for part in dict.fromkeys(filter(None, parts)):
        rows = [row for row, name in enumerate(parts) if name == part]
        if len(rows) == 1:
            continue
        top, bottom = places[rows[0]][0], places[rows[-1]][1]
        ax.plot([-0.8, -0.8], [top, bottom], color=MUTED, linewidth=1)
        ax.text(-0.84, (top + bottom) / 2, part, rotation=90, ha="right", va="center", fontsize=9, color=MUTED)
        if part == "discriminator":
            arrow = {"arrowstyle": "-|>", "color": INK, "lw": 0.8, "shrinkA": 0, "shrinkB": 2, "mutation_scale": 7}
            tip = (_half(layers[rows[0]], layers), (3 * top + places[rows[0]][1]) / 4)
            ax.annotate(
                "or real\nimages", tip, (1.3, top - 0.9), ha="center", va="center", fontsize=9, arrowprops=arrow
            )
