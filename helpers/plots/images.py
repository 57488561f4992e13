"""Figures of images: galleries, kernels, feature maps, a prediction beside its image."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from helpers.plots.style import new_figure


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
        images: (N, H, W).
        titles: one per image.
        columns: images in a row.
        diverging: draw on a scale symmetric about 0, blue below and red above, with its colour bar: for weights.
        cell: the side of an image, in inches.
        frame: draw a thin line around each image.

    Raises:
        ValueError: if the images are not (N, H, W), or their number differs from that of the titles.
    """
    if images.ndim != 3 or not len(images):
        raise ValueError(f"expected at least one image, as a tensor (N, H, W): got shape {tuple(images.shape)}")
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"need one title per image: got {len(titles)} titles for {len(images)} images")
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    height = rows * (cell + (0.3 if titles else 0.05))
    figure, axes = new_figure(rows, columns, width=columns * cell + diverging * 0.9, height=height, squeeze=False)
    high = images.abs().max().item() if diverging else images.max().item()
    low = -high if diverging else images.min().item()
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set(visible=False, color="0.6")
    for index, (ax, image) in enumerate(zip(axes.flat, images)):
        ax.spines[:].set_visible(frame)
        picture = ax.imshow(image.numpy(), cmap="RdBu_r" if diverging else "gray_r", vmin=low, vmax=high)
        if titles:
            ax.set_title(titles[index], fontsize=9, loc="center")
    if diverging:
        figure.colorbar(picture, ax=axes, shrink=0.8, aspect=12)
    return figure


def prediction(image: Tensor, probabilities: Tensor, class_names: Sequence[str]) -> Figure:
    """An image (H, W) beside the model's probability for each of C classes, on a logarithmic scale down to 1e-12."""
    figure, (left, right) = new_figure(1, 2, width=7.5, height=2.8, width_ratios=(1, 2))
    left.imshow(image.numpy())
    left.axis("off")
    _probability_bars(right, class_names, probabilities)
    lowest = max(1e-12, probabilities.min().item())
    right.set(xlabel="class", ylabel="probability", yscale="log", ylim=(lowest / 2, 2))
    return figure


def digit_steps(steps: Mapping[str, Tensor], probabilities: Tensor) -> Figure:
    """A picture on its way to the network, step by step, and what the network answers.

    Args:
        steps: under each step's name the picture after it, (H, W), of any size; from 0, drawn white, to 1, drawn black.
            The first is drawn as it is, from 0, black, to 1, white.
        probabilities: the network's, (C,).
    """
    columns = len(steps) + 1
    figure, axes = new_figure(1, columns, height=2.1, width_ratios=[1] * len(steps) + [1.6])
    for number, (ax, (name, picture)) in enumerate(zip(axes, steps.items())):
        ax.imshow(picture.numpy(), cmap="gray_r" if number else "gray", vmin=0, vmax=1)
        ax.set_title(f"{name}\n{picture.shape[0]}×{picture.shape[1]}", fontsize=9, loc="center")
        ax.set(xticks=[], yticks=[])
        ax.grid(visible=False)
        ax.spines[:].set(visible=True, color="0.6")
    _probability_bars(axes[-1], [str(number) for number in range(len(probabilities))], probabilities)
    best = probabilities.argmax().item()
    axes[-1].set_title(f"read as {best}\nprobability {100 * probabilities[best]:.1f} %", fontsize=9, loc="center")
    axes[-1].set(ylim=(0, 1), xlabel="digit", ylabel="probability")
    return figure


def _probability_bars(ax: Axes, class_names: Sequence[str], probabilities: Tensor) -> None:
    """One bar per class, the most probable in another colour."""
    drawn = ax.bar(class_names, probabilities.tolist())
    drawn[probabilities.argmax().item()].set_color("C1")
    ax.grid(axis="x", visible=False)
