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

# Lengths in pixels of the image: everything is drawn to one scale.
GAP, MARGIN, BETWEEN_MAPS, MAPS_IN_A_COLUMN = 26, 6, 2, 8
NEURON, BAR, LINE = 3.2, 34, 10  # side of a neuron, bar of a probability of 1, line of text
PARAMETERS_PER_PIXEL = 90


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

    Guides lead back from where the last maps are strongest to the pixels from which this is computed.

    Args:
        stages: The image (1, H, W), then feature maps, then vectors; the last one holds the classes' probabilities.
        class_names: Names of the classes.
    """
    maps = [stage for stage in stages if stage.values.ndim == 3]
    *hidden, answer = stages[len(maps) :]
    sizes = [*map(_size, stages[:-1]), (LINE + BAR, 1.6 * LINE * len(class_names))]
    lefts = [sum(width + GAP for width, _ in sizes[:number]) for number in range(len(stages))]
    right, top = lefts[-1] + sizes[-1][0], max(height for _, height in sizes) / 2 + 3 * LINE
    bottom = top - LINE  # of the green squares
    total = max(1, sum(stage.parameters for stage in stages))
    width, height = right + 2 * MARGIN, top + bottom + 2 * LINE
    figure, ax = new_figure(height=9 * height / width)
    for stage, left in zip(maps, lefts):
        _draw_maps(ax, stage.values, left)
    for stage, left in zip(hidden, lefts[len(maps) :]):
        _draw_neurons(ax, stage.values, left)
    _draw_answer(ax, answer.values, class_names, lefts[-1])
    for number, (stage, left, size) in enumerate(zip(stages, lefts, sizes)):
        _draw_name(ax, stage, left + size[0] / 2, -size[1] / 2)
        _draw_parameters(ax, stage.parameters, stage.parameters / total, left, bottom)
        if stage.values.ndim == 1:
            _draw_fan(ax, left - GAP, sizes[number - 1][1] / 2, left, size[1] / 2)
    ax.text(0, bottom - LINE, "parameters", va="center", color=PARAMETER, fontsize=9, weight="bold")
    _draw_guides(ax, maps, lefts)
    ax.set(xlim=(-MARGIN, right + MARGIN), ylim=(bottom + 2 * LINE, -top), aspect="equal")
    ax.axis("off")
    return figure


def _columns(values: Tensor) -> int:
    return math.ceil(len(values) / MAPS_IN_A_COLUMN)


def _size(stage: Stage) -> tuple[float, float]:
    """Width and height of all maps, or of a vector."""
    if stage.values.ndim == 1:
        return NEURON, NEURON * len(stage.values)
    columns, pitch = _columns(stage.values), stage.values.shape[-1] + BETWEEN_MAPS
    return columns * pitch - BETWEEN_MAPS, math.ceil(len(stage.values) / columns) * pitch - BETWEEN_MAPS


def _corner(values: Tensor, left: float, channel: int) -> tuple[float, float]:
    """Upper left corner (x, y) of a map; y points down, and is 0 in the figure's middle."""
    row, column = divmod(channel, _columns(values))
    pitch = values.shape[-1] + BETWEEN_MAPS
    rows = math.ceil(len(values) / _columns(values))
    return left + column * pitch, row * pitch - (rows * pitch - BETWEEN_MAPS) / 2


def _draw_maps(ax: Axes, values: Tensor, left: float) -> None:
    height, width = values.shape[1:]
    look = {"cmap": INK_MAP if len(values) == 1 else UNSIGNED_MAP, "vmin": values.min(), "vmax": values.max()}
    for channel, picture in enumerate(values.tolist()):
        x, y = _corner(values, left, channel)
        ax.imshow(picture, extent=(x, x + width, y + height, y), interpolation="nearest", **look)
        ax.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor="0.75", linewidth=0.5))


def _draw_neurons(ax: Axes, values: Tensor, left: float) -> None:
    half = NEURON * len(values) / 2
    ax.imshow(values[:, None].tolist(), cmap=UNSIGNED_MAP, extent=(left, left + NEURON, half, -half))
    ax.add_patch(Rectangle((left, -half), NEURON, 2 * half, fill=False, edgecolor="0.6", linewidth=0.5))


def _draw_answer(ax: Axes, probabilities: Tensor, class_names: Sequence[str], left: float) -> None:
    best = probabilities.argmax().item()
    for number, (name, probability) in enumerate(zip(class_names, probabilities.tolist())):
        y = 1.6 * LINE * (number + 0.5 - len(class_names) / 2)
        color, weight = (ACCENT, "bold") if number == best else (PALE, "normal")
        ax.add_patch(Rectangle((left + LINE, y - 4), BAR * probability, 8, color=color))
        ax.text(left + 3, y, name, ha="center", va="center", weight=weight)
        inside = probability > 0.5
        place = {"ha": "right", "color": "white"} if inside else {"ha": "left", "color": MUTED}
        if probability > 0.005:
            x = left + LINE + BAR * probability + (-2 if inside else 2)
            ax.text(x, y, f"{100 * probability:.0f} %", va="center", fontsize=9, **place)


def _draw_name(ax: Axes, stage: Stage, middle: float, top: float) -> None:
    shape = "×".join(map(str, stage.values.shape))
    ax.text(middle, top - 2.1 * LINE, stage.name, ha="center", va="center", weight="bold", fontsize=9.5)
    ax.text(middle, top - 0.9 * LINE, shape, ha="center", va="center", color=MUTED, fontsize=9)


def _draw_parameters(ax: Axes, count: int, share: float, left: float, bottom: float) -> None:
    """A green square below the gap before a stage; its area stands for the number of parameters."""
    if count:
        side = math.sqrt(count / PARAMETERS_PER_PIXEL)
        right = left - (GAP - side) / 2 if side < GAP else left - GAP
        ax.add_patch(Rectangle((right - side, bottom - side), side, side, color=PARAMETER, linewidth=0))
        style = {"ha": "center", "va": "center", "color": PARAMETER, "fontsize": 9}
        ax.text(right - side / 2, bottom + 0.8 * LINE, f"{count:,}", **style)
        if share > 0.5:
            ax.text(right - side / 2, bottom - side / 2, f"{100 * share:.0f} %", **{**style, "color": "white"})


def _draw_fan(ax: Axes, start: float, start_half: float, end: float, end_half: float) -> None:
    """A pale area before a vector: each of its values is computed from all values of the stage before it."""
    corners = [(start, -start_half), (end, -end_half), (end, end_half), (start, start_half)]
    ax.add_patch(Polygon(corners, color="0.94", zorder=0))


def _draw_guides(ax: Axes, maps: Sequence[Stage], lefts: Sequence[float]) -> None:
    """Frames around the pixels that are read, and guides from them to the pixel that is computed."""
    last = maps[-1].values
    channel, row, column = _strongest(last)
    for number in range(len(maps) - 1, 0, -1):
        (_, _, window, stride, parameters), source = maps[number], maps[number - 1].values
        target = _draw_frame(ax, _corner(maps[number].values, lefts[number], channel), row, column, 1)
        read = range(len(source)) if parameters else range(channel, channel + 1)
        row, column = row * stride, column * stride
        for source_channel in read:
            x, y = _draw_frame(ax, _corner(source, lefts[number - 1], source_channel), row, column, window)
            for side in (-window / 2, window / 2):
                ax.plot([x + window / 2, target[0]], [y + side, target[1]], color=ACCENT, linewidth=0.5, alpha=0.6)
        patch = _strongest(source[read.start : read.stop, row : row + window, column : column + window])
        channel, row, column = read.start + patch[0], row + patch[1], column + patch[2]


def _strongest(values: Tensor) -> tuple[int, int, int]:
    """Channel, row and column of the largest value."""
    return tuple(index.item() for index in torch.unravel_index(values.argmax(), values.shape))


def _draw_frame(ax: Axes, corner: tuple[float, float], row: int, column: int, side: int) -> tuple[float, float]:
    """Frame a square of pixels of the map at ``corner``; return its middle."""
    x, y = corner[0] + column, corner[1] + row
    ax.add_patch(Rectangle((x, y), side, side, fill=False, edgecolor=ACCENT, linewidth=0.9))
    return x + side / 2, y + side / 2
