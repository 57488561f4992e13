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
        images: Images (N, H, W) of any numbers.
        titles: Title of each image.
        columns: Number of images in a row.
        diverging: Whether to use a scale from blue over white at 0 to red, with a color bar: for weights.
        cell: Side of an image, in inches.
        frame: Whether to draw a thin line around each image.

    Raises:
        ValueError: If the images are not (N, H, W) with N at least 1, or their number is not that of the titles.
    """
    if images.ndim != 3 or not len(images):
        raise ValueError(f"expected at least one image, as a tensor (N, H, W): got shape {tuple(images.shape)}")
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"need one title per image: got {len(titles)} titles for {len(images)} images")
    images = images.detach().cpu().numpy()
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    height = rows * (cell + (0.3 if titles else 0.05))
    figure, axes = new_figure(rows, columns, width=columns * cell + diverging * 0.9, height=height, squeeze=False)
    high = abs(images).max() if diverging else images.max()
    low = -high if diverging else images.min()
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        ax.spines[:].set_color("0.6")
    for index, (ax, image) in enumerate(zip(axes.flat, images)):
        ax.spines[:].set_visible(frame)
        picture = ax.imshow(image, cmap="RdBu_r" if diverging else "gray_r", vmin=low, vmax=high)
        if titles:
            ax.set_title(titles[index], fontsize=9, loc="center")
    if diverging:
        figure.colorbar(picture, ax=axes, shrink=0.8, aspect=12)
    return figure


def prediction(image: Tensor, probabilities: Tensor, class_names: Sequence[str]) -> Figure:
    """An image beside the probability of each class, on a logarithmic scale down to 1e-12.

    Args:
        image: Image (H, W) of any numbers.
        probabilities: Probabilities (C,) of the classes.
        class_names: C names.
    """
    figure, (left, right) = new_figure(1, 2, width=7.5, height=2.8, width_ratios=(1, 2))
    left.imshow(image.detach().cpu().numpy())
    left.axis("off")
    _probability_bars(right, class_names, probabilities)
    lowest = max(1e-12, probabilities.min().item())
    right.set(xlabel="class", ylabel="probability", yscale="log", ylim=(lowest / 2, 2))
    return figure


def digit_steps(steps: Mapping[str, Tensor], probabilities: Tensor) -> Figure:
    """A picture on its way to the network, step by step, and the network's answer.

    Args:
        steps: For the name of each step, the picture (H, W) after it; its values go from 0, drawn white, to 1, drawn
            black, except in the first picture, where 0 is drawn black.
        probabilities: Probabilities (C,) of the classes.
    """
    columns = len(steps) + 1
    figure, axes = new_figure(1, columns, height=2.1, width_ratios=[1] * len(steps) + [1.6])
    for number, (ax, (name, picture)) in enumerate(zip(axes, steps.items())):
        ax.imshow(picture.detach().cpu().numpy(), cmap="gray_r" if number else "gray", vmin=0, vmax=1)
        ax.set_title(f"{name}\n{picture.shape[0]}×{picture.shape[1]}", fontsize=9, loc="center")
        ax.set(xticks=[], yticks=[])
        ax.grid(visible=False)
        ax.spines[:].set_visible(True)
        ax.spines[:].set_color("0.6")
    _probability_bars(axes[-1], [str(number) for number in range(len(probabilities))], probabilities)
    best = probabilities.argmax().item()
    axes[-1].set_title(f"read as {best}\nprobability {100 * probabilities[best]:.1f} %", fontsize=9, loc="center")
    axes[-1].set(ylim=(0, 1), xlabel="digit", ylabel="probability")
    return figure


def _probability_bars(ax: Axes, class_names: Sequence[str], probabilities: Tensor) -> None:
    """Draw one bar per class, the most probable in another color."""
    drawn = ax.bar(class_names, probabilities.tolist())
    drawn[probabilities.argmax().item()].set_color("C1")
    ax.grid(axis="x", visible=False)
