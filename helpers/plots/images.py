"""Figures of images: galleries, and a picture on its way to the network."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from helpers.plots.marks import draw_image
from helpers.plots.style import ACCENT, INK_MAP, PALE, SIGNED_MAP, new_figure


def image_grid(
    images: Tensor,
    titles: Sequence[str] | None = None,
    *,
    columns: int = 10,
    diverging: bool = False,
    cell: float = 0.9,
    frame: bool = False,
) -> Figure:
    """Small images side by side, all on one scale.

    Args:
        images: Images (N, H, W) of any numbers.
        titles: Title of each image; it may be empty.
        columns: Number of images in a row.
        diverging: Whether to use a scale from purple over white at 0 to green, with a color bar: for weights.
        cell: Side of an image, in inches.
        frame: Whether to draw a thin line around each image.

    Raises:
        ValueError: If the images are not (N, H, W) with N at least 1, or their number is not that of the titles.
    """
    if images.ndim != 3 or not len(images):
        raise ValueError(f"expected at least one image, as a tensor (N, H, W): got shape {tuple(images.shape)}")
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"need one title per image: got {len(titles)} titles for {len(images)} images")
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    titled = sum(any(titles[row * columns : (row + 1) * columns]) for row in range(rows)) if titles else 0
    height = rows * (cell + 0.05) + 0.25 * titled
    figure, axes = new_figure(rows, columns, width=columns * cell + diverging * 0.9, height=height, squeeze=False)
    high = images.abs().max().item() if diverging else images.max().item()
    low = -high if diverging else images.min().item()
    for index, ax in enumerate(axes.flat):
        if index >= len(images):
            ax.axis("off")
            continue
        draw_image(ax, images[index], cmap=SIGNED_MAP if diverging else INK_MAP, frame=frame, vmin=low, vmax=high)
        if titles:
            ax.set_title(titles[index], fontsize=9, loc="center", weight="normal")
    if diverging:
        figure.colorbar(axes[0, 0].images[0], ax=axes, shrink=0.8, aspect=12)
    return figure


def digit_steps(steps: Mapping[str, Tensor], probabilities: Tensor, doubts: Sequence[str] = ()) -> Figure:
    """A picture on its way to the network, step by step, the network's answer, and what is doubtful about it.

    Args:
        steps: For the name of each step, the picture after it: in color (H, W, 3), from 0, black, to 1, white, or ink
            (H, W), from 0, drawn white, to 1, drawn black. Pictures smaller than the last one are drawn smaller.
        probabilities: Probabilities (C,) of the classes.
        doubts: Sentences that are written below.
    """
    figure, axes = new_figure(1, len(steps) + 1, height=2.2, width_ratios=[1] * len(steps) + [1.2])
    field = max([*steps.values()][-1].shape)
    for ax, (name, picture) in zip(axes, steps.items()):
        height, width = picture.shape[:2]
        draw_image(ax, picture, frame=False, vmin=0, vmax=1)
        ax.set_title(f"{name}\n{height}×{width}", fontsize=9, loc="center", weight="normal")
        side = max(field, height, width)
        ax.set(xlim=((width - side) / 2 - 0.5, (width + side) / 2 - 0.5))
        ax.set(ylim=((height + side) / 2 - 0.5, (height - side) / 2 - 0.5))
        ax.add_patch(Rectangle((-0.5, -0.5), width, height, fill=False, edgecolor="0.7", linewidth=0.8, clip_on=False))
    _draw_box(axes[len(steps) - 1], *[*steps.values()][-2:])
    _draw_probabilities(axes[-1], probabilities)
    if doubts:
        figure.supxlabel("In doubt: " + "; ".join(doubts), x=0.01, ha="left", fontsize=9.5, weight="bold")
    return figure


def _draw_box(ax: Axes, boxed: Tensor, centered: Tensor) -> None:
    """In the centered picture, the square that fits the boxed one, dashed, and its middle as a cross."""
    side, middle = max(boxed.shape), (len(centered) - 1) / 2
    corner = middle - side / 2
    ax.add_patch(Rectangle((corner, corner), side, side, fill=False, edgecolor=PALE, linewidth=0.8, linestyle="--"))
    ax.plot(middle, middle, "+", color=ACCENT, markersize=9, markeredgewidth=1.5)
    ax.set_xlabel(f"+ center of mass\ndashed: {side}×{side} box", fontsize=9)


def _draw_probabilities(ax: Axes, probabilities: Tensor) -> None:
    """A bar for each class, the most probable one in the accent, its probability above."""
    best = probabilities.argmax().item()
    colors = [ACCENT if number == best else PALE for number in range(len(probabilities))]
    percents = (100 * probabilities).tolist()
    percent = percents[best]
    ax.barh(range(len(percents)), percents, color=colors)
    sure = "> 99.9 %" if percent > 99.9 else f"{percent:.1f} %"
    ax.set_title(f"read as {best}\nprobability {sure}", fontsize=9, loc="center", color=ACCENT)
    ax.set(xlim=(0, 100), ylim=(len(percents) - 0.4, -0.6), yticks=range(len(percents)), xticks=[0, 50, 100])
    ax.set_xticklabels(["0", "50", "100 %"])
    ax.tick_params(axis="y", length=0, pad=2)
    ax.tick_params(labelsize=9)
    ax.grid(axis="y", visible=False)
