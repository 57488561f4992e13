"""What figures are made of: images, names of lines, bands and dots of runs, bars of parts, guides to a pixel."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import ConnectionPatch, FancyArrowPatch
from torch import Tensor

from helpers.plots.style import ACCENT, FORWARD, INK_MAP, MUTED, PALE

Cells = tuple[float, float, float, float]  # row, column, height, width, in cells of a matrix or pixels of an image


def draw_image(ax: Axes, image: Tensor, *, cmap: str = INK_MAP, frame: bool = True, **options: object) -> None:
    """Draw an image without ticks, in a thin frame.

    Args:
        ax: Axes to draw into.
        image: Image (H, W) of any numbers.
        cmap: Color map of matplotlib.
        frame: Whether to draw the frame.
        **options: Options of ``Axes.imshow``, such as ``vmin`` and ``vmax``.
    """
    ax.imshow(image.detach().cpu().numpy(), cmap=cmap, **options)
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    ax.spines[:].set(visible=frame, color="0.75", linewidth=0.6)


def label_lines(ax: Axes, *, gap: float = 13, number: str = "") -> None:
    """Write the name of each named line at its right end, in its color, instead of a legend.

    Call it last: names that would overlap are moved apart, for which the axes' limits must be set.

    Args:
        ax: Axes with lines that were given a ``label``.
        gap: Least distance between two names, in points.
        number: Template of the last value, for example ``"{:.1f} %"``, written after the name; '' writes none.
    """
    lines = [line for line in ax.lines if not line.get_label().startswith("_") and len(line.get_xdata())]
    ends = {line: (float(line.get_xdata()[-1]), float(line.get_ydata()[-1])) for line in lines}
    ax.figure.draw_without_rendering()  # decides where the axes are
    heights = {line: ax.transData.transform(end)[1] * 72 / ax.figure.dpi for line, end in ends.items()}  # in points
    for x in {x for x, _ in ends.values()}:
        together = {line: heights[line] for line, end in ends.items() if end[0] == x}
        for line, height in _spread(together, gap).items():
            name = line.get_label() + ("  " + number.format(ends[line][1]) if number else "")
            aside = 7 if line.get_marker() == "None" else 5 + line.get_markersize() / 2
            place = {"xytext": (aside, height - heights[line]), "textcoords": "offset points", "annotation_clip": False}
            weight = "bold" if line.get_linewidth() > 2 else "normal"
            color = MUTED if line.get_color() == PALE else line.get_color()  # text needs more contrast than lines
            ax.annotate(name, ends[line], va="center", color=color, weight=weight, fontsize=9, **place)


def _spread(heights: dict[Line2D, float], gap: float) -> dict[Line2D, float]:
    """Heights at least ``gap`` apart, in the same order: lines that end too close spread about their mean."""
    groups: list[tuple[list[Line2D], float]] = []  # lines, the height of their middle
    for group in sorted((([line], height) for line, height in heights.items()), key=lambda group: group[1]):
        groups.append(group)
        while len(groups) > 1 and _overlap(*groups[-2:], gap):
            (upper, high), (lower, low) = groups.pop(), groups.pop()
            middle = (low * len(lower) + high * len(upper)) / (len(lower) + len(upper))
            groups.append((lower + upper, middle))
    return {
        line: middle + gap * (position - (len(lines) - 1) / 2)
        for lines, middle in groups
        for position, line in enumerate(lines)
    }


def _overlap(lower: tuple[list[Line2D], float], upper: tuple[list[Line2D], float], gap: float) -> bool:
    return upper[1] - lower[1] < gap * (len(lower[0]) + len(upper[0])) / 2


def draw_band(
    ax: Axes, x: Sequence[float], runs: Tensor | Sequence[Sequence[float]], label: str, *, color: str = FORWARD
) -> Line2D:
    """Draw the median of several runs as a line, and their range, from the lowest to the highest, as a band.

    Args:
        ax: Axes to draw into.
        x: Positions of the values.
        runs: Values (runs, positions), one run for each seed.
        label: Name of the line, for ``label_lines``.
        color: Color of the line and, paler, of the band.
    """
    runs = torch.as_tensor(runs, dtype=torch.float64)
    ax.fill_between(x, runs.amin(0).tolist(), runs.amax(0).tolist(), color=color, alpha=0.2, linewidth=0)
    (line,) = ax.plot(x, runs.quantile(0.5, dim=0).tolist(), color=color, label=label, linewidth=2)
    return line


def draw_dots(ax: Axes, row: float, values: Sequence[float], *, number: str = ".1f", hero: bool = False) -> list[float]:
    """Draw the results of several runs as dots in a row, their mean as a bar across them, written above it.

    Dots that would hide each other are stacked. Call it when the axes' limits are set. It returns the dots' heights.

    Args:
        ax: Axes to draw into, with rows one unit apart.
        row: Height of the row.
        values: Results, one for each seed.
        number: Format of the mean; '' writes none.
        hero: Whether this row is the hero of the comparison, in the accent's color and with a bold mean.
    """
    color = ACCENT if hero else PALE
    mean = sum(values) / len(values)
    heights = [row + rise for rise in _stacked(values, width=0.011 * abs(ax.get_xlim()[1] - ax.get_xlim()[0]))]
    reach = max(0.3, 0.1 + max(abs(height - row) for height in heights))
    ax.plot([mean, mean], [row - 0.3, row + 0.3], color=color, linewidth=2.5, solid_capstyle="butt")
    ax.plot(values, heights, "o", color=color, markersize=6.5, markeredgecolor="white", markeredgewidth=0.8, zorder=3)
    if not number:
        return heights
    offset = {"xytext": (0, 2), "textcoords": "offset points", "ha": "center", "va": "bottom"}
    top = (mean, row - reach if ax.yaxis_inverted() else row + reach)
    ground = {"facecolor": "white", "linewidth": 0, "pad": 0.5}
    ax.annotate(f"{mean:{number}}", top, **offset, fontsize=9, weight="bold" if hero else "normal", bbox=ground)
    return heights


def _stacked(values: Sequence[float], width: float) -> list[float]:
    """How far to move each dot up or down, so that dots nearer to each other than ``width`` don't coincide."""
    rises: dict[int, float] = {}
    for index in sorted(range(len(values)), key=values.__getitem__):
        taken = {rises[other] for other in rises if abs(values[other] - values[index]) < width}
        rises[index] = next(rise for rise in (0, 0.2, -0.2, 0.4, -0.4, *range(1, len(values))) if rise not in taken)
    return [rises[index] for index in range(len(values))]


def draw_parts(ax: Axes, y: float, parts: Mapping[str, float], colors: Sequence[str]) -> None:
    """Draw a bar of parts, one after the other, each with its name in it, or below it where it is too narrow.

    Call it when the axes' limits are set.

    Args:
        ax: Axes to draw into, with an inverted y axis and a height of about 1.4 for each bar.
        y: Height of the bar's middle.
        parts: Width of each part, by its name; a part without width has no name.
        colors: A color for each part, dark enough for white text.
    """
    ax.figure.draw_without_rendering()  # decides how wide the axes are
    left, look = 0.0, {"va": "center", "fontsize": 9, "weight": "bold"}
    for (name, width), color in zip(parts.items(), colors):
        (bar,) = ax.barh(y, width, left=left, height=0.75, color=color, edgecolor="white")
        text = ax.text(left + width / 2, y, name if width else "", color="white", ha="center", **look)
        if width and text.get_window_extent().width > bar.get_window_extent().width - 4:
            last = name == list(parts)[-1]
            ax.plot([left + width / 2] * 2, [y + 0.38, y + 0.55], color=color, linewidth=1)
            text.set(y=y + 0.76, color=color, ha="left" if last else "right")
        left += width


def draw_arc(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], *, bend: float, color: str = FORWARD
) -> None:
    """Draw a curved arrow from one point to another.

    Args:
        ax: Axes to draw into.
        start: Point (x, y).
        end: Point (x, y).
        bend: How far the arrow swerves, as a share of its length; the sign says to which side.
        color: Color of the arrow.
    """
    look = {"arrowstyle": "-|>", "mutation_scale": 7, "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0}
    ax.add_patch(FancyArrowPatch(start, end, connectionstyle=f"arc3,rad={bend}", color=color, **look))


def connect_cells(source: Axes, patch: Cells, target: Axes, pixel: Cells, *, color: str = PALE) -> None:
    """Draw four guides from the corners of a patch to those of the pixel that is computed from it.

    Args:
        source: Axes of the image or matrix that is read.
        patch: Row, column, height and width of the patch, the upper left cell being at (0, 0).
        target: Axes of the result; it may be the same.
        pixel: Row, column, height and width of the result's cells.
        color: Color of the guides.
    """
    for start, end in zip(_corners(patch), _corners(pixel)):
        line = ConnectionPatch(start, end, "data", "data", axesA=source, axesB=target, color=color, linewidth=0.8)
        line.set_in_layout(False)
        source.figure.add_artist(line)


def _corners(cells: Cells) -> list[tuple[float, float]]:
    """(x, y) of the four corners; a cell's middle is at its whole numbers, as ``imshow`` has it."""
    row, column, height, width = cells
    left, top = column - 0.5, row - 0.5
    return [(left, top), (left + width, top), (left, top + height), (left + width, top + height)]
