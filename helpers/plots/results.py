"""Figures of results: counts, losses, accuracies, mistakes."""

import math
from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from torch import Tensor

from helpers.plots.marks import draw_image, label_lines
from helpers.plots.style import ACCENT, FORWARD, MUTED, PALE, new_figure

Numbers = Sequence[float] | Sequence[Tensor] | Tensor  # of one dimension


def bar_chart(labels: Sequence[str], values: Numbers, *, xlabel: str, ylabel: str, number: str = ",.0f") -> Figure:
    """One bar per label, each with its value written above in the format ``number``."""
    figure, ax = new_figure()
    values = _floats(values)
    drawn = ax.bar(labels, values)
    ax.bar_label(drawn, [f"{value:{number}}" for value in values], fontsize=9)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(axis="x", visible=False)
    return figure


def loss_curve(
    losses: Numbers,
    after_epochs: Mapping[str, Numbers] | None = None,
    *,
    batch_size: int,
    classes: int,
    window: int = 100,
    name: str = "training",
) -> Figure:
    """Training loss against the number of images seen, and what was measured after each epoch, on a logarithmic scale.

    Args:
        losses: Loss of every batch in order, in nats per image. A line shows the first one, then the mean of every
            ``window`` batches, a band where all but the lowest and the highest tenth of them are.
        after_epochs: For the names of at most two measurements, their values after each epoch of equal length; marks
            before the last stand a little aside, so that none hides another.
        batch_size: Number of images in a batch.
        classes: Number of classes C; a dashed line at log C shows the loss of equal probabilities.
        window: Number of batches that share a point of the line.
        name: Name of the line.
    """
    figure, ax = new_figure(height=3.6)
    losses = torch.tensor(_floats(losses), dtype=torch.float64)
    parts = [losses[:1], *losses.split(window)]
    ends = (batch_size * torch.tensor([0, *(len(part) for part in parts[1:])]).cumsum(0)).tolist()  # images seen
    means = [part.mean().item() for part in parts]
    low, high = ([part.quantile(level).item() for part in parts] for level in (0.1, 0.9))
    ax.fill_between(ends, low, high, color=FORWARD, alpha=0.1, linewidth=0)
    late = 3 * len(ends) // 4
    place = ends[late], math.sqrt(low[late] * means[late])
    ax.text(*place, f"eight of ten of {window} batches", ha="center", va="center", color=FORWARD, fontsize=9)
    ax.plot(ends, means, color=FORWARD, linewidth=2.2, label=name)
    ax.axhline(math.log(classes), color=PALE, linewidth=1, linestyle="--")
    ax.text(ends[-1], 1.1 * math.log(classes), f"guessing: log {classes}", ha="right", color=MUTED, fontsize=9)
    lowest = min(low)
    for marker, color, (name, values) in zip("oD", (ACCENT, MUTED), (after_epochs or {}).items()):
        values = _floats(values)
        aside = 0.006 * ends[-1] * (1 if marker == "D" else -1)  # two measurements don't hide each other
        places = [
            ends[-1] * (epoch + 1) / len(values) + aside * (epoch + 1 < len(values)) for epoch in range(len(values))
        ]
        ax.plot(places, values, marker, color=color, markersize=6, label=name, zorder=4)
        lowest = min(lowest, *values)
    ax.set(xlabel="training images seen", ylabel="loss (nats per image)", yscale="log", xlim=(0, ends[-1] * 1.015))
    ax.set_ylim(0.7 * lowest, 1.6 * max(math.log(classes), *high))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    label_lines(ax, number="{:.3f}")
    return figure


def _floats(values: Numbers) -> list[float]:
    return [value.item() if isinstance(value, Tensor) else value for value in values]


def accuracy_against_time(runs: dict[str, Sequence[Sequence[tuple[float, float]]]], *, target: float) -> Figure:
    """Test accuracy against seconds of training: a point per epoch of each run, and a line through their means.

    Args:
        runs: For each label, its runs; a run is a list of pairs (seconds so far, accuracy from 0 to 1), one per epoch.
            The line ends with the shortest run.
        target: Accuracy from 0 to 1, drawn as a horizontal line.
    """
    figure, ax = new_figure(height=4.0)
    ax.axhline(100 * target, color="0.4", linewidth=1, linestyle="--", label=f"{100 * target:g} %")
    for number, (label, points) in enumerate(runs.items()):
        color, marker = f"C{number}", "osD^v"[number % 5]
        for seconds, accuracies in (zip(*run) for run in points if run):
            ax.plot(seconds, [100 * value for value in accuracies], marker, color=color, markersize=4, alpha=0.4)
        means = [torch.tensor(epoch, dtype=torch.float64).mean(dim=0).tolist() for epoch in zip(*points)]
        ax.plot([s for s, _ in means], [100 * a for _, a in means], color=color, marker=marker, label=label)
    ax.set(xlabel="seconds of training (logarithmic)", ylabel="test accuracy (%)", xscale="log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def confusion_matrix(counts: Tensor, class_names: Sequence[str], examples: Mapping[tuple[int, int], Tensor]) -> Figure:
    """Number of images of each pair (true class, predicted class), with an example of each mistake.

    Args:
        counts: Counts (C, C); row = true class, column = predicted class. The color shows the mistakes only.
        class_names: C names.
        examples: For pairs (true class, predicted class), an image (H, W) to draw in the pair's cell.
    """
    figure, ax = new_figure(width=9, height=8.6)
    counts = counts.detach().cpu()
    mistakes = counts.clone().fill_diagonal_(0)
    ax.imshow(mistakes.numpy(), cmap="Greys", vmin=0, vmax=2.5 * max(1, mistakes.max().item()))  # pale: legible
    for row, column in counts.nonzero().tolist():
        number = f"{counts[row, column]:,.0f}"
        if (row, column) in examples:
            _draw_ink(ax, examples[row, column], row, column)
            ax.text(column + 0.44, row - 0.44, number, ha="right", va="top", fontsize=9, weight="bold", color="0.25")
        else:
            ax.text(column, row, number, ha="center", va="center", color=MUTED, fontsize=10)
    ax.set(xlabel="predicted", ylabel="true", xticks=range(len(counts)), yticks=range(len(counts)))
    ax.xaxis.set(label_position="top", ticks_position="top")
    ax.tick_params(length=0, labelsize=12)
    ax.set_xticklabels(class_names)
    ax.set_yticklabels(class_names)
    ax.set_xticks(torch.arange(0.5, len(counts) - 1), minor=True)
    ax.set_yticks(torch.arange(0.5, len(counts) - 1), minor=True)
    ax.grid(visible=False)
    ax.grid(which="minor", color="0.9", linewidth=0.6)
    ax.tick_params(which="minor", length=0)
    ax.spines[:].set_visible(False)
    return figure


def _draw_ink(ax: Axes, image: Tensor, row: int, column: int) -> None:
    """Draw an image into a cell, its lowest value transparent."""
    ink = ((image - image.min()) / (image.max() - image.min())).detach().cpu()
    inset = ax.inset_axes((column - 0.42, row - 0.4, 0.84, 0.84), transform=ax.transData)
    inset.patch.set_visible(False)
    draw_image(inset, ink, frame=False, alpha=ink.numpy())
