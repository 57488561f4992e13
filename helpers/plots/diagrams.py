"""A convolutional network as the feature maps that it computes from one image."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from torch import Tensor

from helpers.plots.style import ACCENT, INK_MAP, MUTED, PALE, PARAMETER, UNSIGNED_MAP, new_figure

# Lengths in values of a feature map: everything is drawn to one scale, but for the image, which is enlarged.
GAP, MARGIN, BETWEEN_MAPS, MAPS_IN_A_COLUMN, ENLARGED = 30, 6, 2, 8, 2
NEURON, BAR, LINE = 3.2, 36, 10  # side of a neuron, bar of a probability of 1, line of text
PARAMETERS_PER_AREA = 90


class Stage(NamedTuple):
    """What one part of a network computes from an image.

    Attributes:
        name: Name of the part, for example ``"cn1, ReLU"``.
        values: Feature maps (C, H, W), or a vector (N,).
        window: Side of the square from which each value of the maps is computed.
        stride: Distance between two such squares.
        parameters: Number of parameters; without any, each map is computed from one map, otherwise from all of them.
    """

    name: str
    values: Tensor
    window: int = 1
    stride: int = 1
    parameters: int = 0


def network_diagram(stages: Sequence[Stage], class_names: Sequence[str]) -> Figure:
    """Every feature map of an image, the answer, and the parameters as areas, all to one scale.

    Guides lead back from where the last maps are strongest to the pixels from which this is computed: in full color
    through the map that is strongest there, pale from the others.

    Args:
        stages: The image (1, H, W), then feature maps, then vectors; the last one holds the classes' probabilities.
        class_names: Names of the classes.
    """
    image, *others = stages
    maps = [stage for stage in others if stage.values.ndim == 3]
    *hidden, answer = others[len(maps) :]
    sizes = [_size(image, ENLARGED), *map(_size, others[:-1]), (LINE + BAR, 1.6 * LINE * len(class_names))]
    lefts = [sum(width + GAP for width, _ in sizes[:number]) for number in range(len(stages))]
    right, half = lefts[-1] + sizes[-1][0], max(height for _, height in sizes) / 2
    bottom = half + 1.5 * LINE  # of the green squares
    total = max(1, sum(stage.parameters for stage in stages))
    width, height = right + 2 * MARGIN, half + bottom + 6 * LINE
    figure, ax = new_figure(height=9 * height / width)
    _draw_maps(ax, image.values, lefts[0], ENLARGED)
    for stage, left in zip(maps, lefts[1:]):
        _draw_maps(ax, stage.values, left)
    for stage, left in zip(hidden, lefts[1 + len(maps) :]):
        _draw_neurons(ax, stage.values, left)
    _draw_answer(ax, answer.values, class_names, lefts[-1])
    for number, (stage, left, size) in enumerate(zip(stages, lefts, sizes)):
        _draw_name(ax, stage, left + size[0] / 2, -half, f", drawn {ENLARGED}×" if stage is image else "")
        _draw_parameters(ax, stage, stage.parameters / total, left, bottom)
        if stage.values.ndim == 1:
            _draw_fan(ax, left - GAP, sizes[number - 1][1] / 2, left, size[1] / 2)
    ax.text(0, bottom + 0.9 * LINE, "parameters", va="center", color=PARAMETER, fontsize=9, weight="bold")
    _draw_guides(ax, [image, *maps], lefts)
    ax.set(xlim=(-MARGIN, right + MARGIN), ylim=(bottom + 2.6 * LINE, -half - 3.4 * LINE), aspect="equal")
    ax.axis("off")
    return figure


def _columns(values: Tensor) -> int:
    return math.ceil(len(values) / MAPS_IN_A_COLUMN)


def _size(stage: Stage, scale: float = 1) -> tuple[float, float]:
    """Width and height of all maps, or of a vector."""
    if stage.values.ndim == 1:
        return NEURON, NEURON * len(stage.values)
    columns, pitch = _columns(stage.values), scale * stage.values.shape[-1] + BETWEEN_MAPS
    return columns * pitch - BETWEEN_MAPS, math.ceil(len(stage.values) / columns) * pitch - BETWEEN_MAPS


def _corner(values: Tensor, left: float, channel: int, scale: float = 1) -> tuple[float, float]:
    """Upper left corner (x, y) of a map; y points down, and is 0 in the figure's middle."""
    row, column = divmod(channel, _columns(values))
    pitch = scale * values.shape[-1] + BETWEEN_MAPS
    rows = math.ceil(len(values) / _columns(values))
    return left + column * pitch, row * pitch - (rows * pitch - BETWEEN_MAPS) / 2


def _draw_maps(ax: Axes, values: Tensor, left: float, scale: float = 1) -> None:
    height, width = (scale * side for side in values.shape[1:])
    look = {"cmap": INK_MAP if len(values) == 1 else UNSIGNED_MAP, "vmin": values.min(), "vmax": values.max()}
    for channel, picture in enumerate(values.tolist()):
        x, y = _corner(values, left, channel, scale)
        ax.imshow(picture, extent=(x, x + width, y + height, y), interpolation="nearest", zorder=2, **look)
        ax.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor="0.7", linewidth=0.6, zorder=2))


def _draw_neurons(ax: Axes, values: Tensor, left: float) -> None:
    half = NEURON * len(values) / 2
    ax.imshow(values[:, None].tolist(), cmap=UNSIGNED_MAP, extent=(left, left + NEURON, half, -half), zorder=2)
    ax.add_patch(Rectangle((left, -half), NEURON, 2 * half, fill=False, edgecolor="0.6", linewidth=0.6, zorder=2))


def _draw_answer(ax: Axes, probabilities: Tensor, class_names: Sequence[str], left: float) -> None:
    """A bar for each class; only an answer more probable than all others together wears the accent."""
    height = 1.6 * LINE
    ax.plot([left + LINE] * 2, [-height * len(class_names) / 2, height * len(class_names) / 2], color=PALE, linewidth=1)
    for number, (name, probability) in enumerate(zip(class_names, probabilities.tolist())):
        y = height * (number + 0.5 - len(class_names) / 2)
        sure = probability > 0.5
        ax.add_patch(Rectangle((left + LINE, y - 4), BAR * probability, 8, color=ACCENT if sure else PALE))
        ax.text(left + 4, y, name, ha="center", va="center", weight="bold" if sure else "normal")
        if probability > 0.005:
            place = {"ha": "right", "color": "white"} if sure else {"ha": "left", "color": MUTED}
            x = left + LINE + BAR * probability + (-2 if sure else 2)
            percent = "> 99.9 %" if probability > 0.999 else f"{100 * probability:.0f} %"
            ax.text(x, y, percent, va="center", fontsize=9, **place)


def _draw_name(ax: Axes, stage: Stage, middle: float, top: float, remark: str) -> None:
    shape = "×".join(map(str, stage.values.shape))
    ax.text(middle, top - 2.3 * LINE, stage.name, ha="center", va="center", weight="bold", fontsize=9.5)
    ax.text(middle, top - 1.1 * LINE, shape + remark, ha="center", va="center", color=MUTED, fontsize=9)


def _draw_parameters(ax: Axes, stage: Stage, share: float, left: float, bottom: float) -> None:
    """A green square below the gap before a stage; its area stands for the number of parameters."""
    if stage.parameters:
        side = math.sqrt(stage.parameters / PARAMETERS_PER_AREA)
        middle = left - max(GAP, side) / 2
        ax.add_patch(Rectangle((middle - side / 2, bottom - side), side, side, color=PARAMETER, linewidth=0))
        style = {"ha": "center", "va": "center", "color": PARAMETER, "fontsize": 9}
        layer = stage.name.split(",")[0]
        ax.text(middle, bottom + 0.9 * LINE, layer, weight="bold", **style)
        ax.text(middle, bottom + 2 * LINE, f"{stage.parameters:,}", **style)
        if share > 0.5:
            ax.text(middle, bottom - side / 2, f"{100 * share:.0f} % of\nall", **{**style, "color": "white"})


def _draw_fan(ax: Axes, start: float, start_half: float, end: float, end_half: float) -> None:
    """A pale area before a vector: each of its values is computed from all values of the stage before it."""
    corners = [(start, -start_half), (end, -end_half), (end, end_half), (start, start_half)]
    ax.add_patch(Polygon(corners, color="0.9", zorder=0, linewidth=0))


def _draw_guides(ax: Axes, maps: Sequence[Stage], lefts: Sequence[float]) -> None:
    """Frames around the pixels that are read, and guides from them to the pixel that is computed."""
    channel, row, column = _strongest(maps[-1].values)
    for number in range(len(maps) - 1, 0, -1):
        (_, values, window, stride, parameters), source = maps[number], maps[number - 1].values
        target = _draw_frame(ax, _corner(values, lefts[number], channel), row, column, 1, 1, strong=True)
        scale = ENLARGED if number == 1 else 1
        read = range(len(source)) if parameters else range(channel, channel + 1)
        row, column = row * stride, column * stride
        patch = _strongest(source[read.start : read.stop, row : row + window, column : column + window])
        channel = read.start + patch[0]
        for source_channel in read:
            strong = source_channel == channel
            corner = _corner(source, lefts[number - 1], source_channel, scale)
            x, y = _draw_frame(ax, corner, row, column, window, scale, strong)
            look = {"color": ACCENT, "linewidth": 1 if strong else 0.5, "alpha": 1 if strong else 0.3}
            for side in (-scale * window / 2, scale * window / 2):
                ax.plot([x - side, target[0]], [y + side, target[1]], zorder=3 if strong else 1, **look)
        row, column = row + patch[1], column + patch[2]


def _strongest(values: Tensor) -> tuple[int, int, int]:
    """Channel, row and column of the largest value."""
    return tuple(index.item() for index in torch.unravel_index(values.argmax(), values.shape))


def _draw_frame(
    ax: Axes, corner: tuple[float, float], row: int, column: int, side: int, scale: float, strong: bool
) -> tuple[float, float]:
    """Frame a square of pixels of the map at ``corner``; return its middle."""
    x, y, side = corner[0] + scale * column, corner[1] + scale * row, scale * side
    look = {"edgecolor": ACCENT, "linewidth": 1.2 if strong else 0.6, "zorder": 3}
    ax.add_patch(Rectangle((x, y), side, side, fill=False, **look))
    return x + side / 2, y + side / 2
