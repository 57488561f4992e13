"""Figures of results: counts, losses, mistakes."""

from collections.abc import Sequence

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from torch import Tensor

from helpers.plots.style import new_figure


def bars(labels: Sequence[str], values: Sequence[float], *, xlabel: str, ylabel: str, number: str = ",.0f") -> Figure:
    """One bar per label, each with its value written above in the format ``number``."""
    figure, ax = new_figure()
    drawn = ax.bar(labels, values)
    ax.bar_label(drawn, [f"{value:{number}}" for value in values], fontsize=9)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(axis="x", visible=False)
    return figure


def loss_curve(
    curves: dict[str, Sequence[float]], *, batch_size: int = 1, window: int = 50, show_batches: bool = True
) -> Figure:
    """Training loss against images seen: each batch's loss in pale, on top the mean of the batches just before.

    Args:
        curves: for each label, the losses of its batches in order, in nats per image.
        batch_size: images in a batch.
        window: batches that the mean is taken over; fewer at the beginning.
        show_batches: draw each batch's loss, too.
    """
    figure, ax = new_figure()
    for label, losses in curves.items():
        images = [batch_size * batch for batch in range(1, len(losses) + 1)]
        (line,) = ax.plot(images, _running_mean(losses, window).tolist(), label=label, zorder=3)
        if show_batches:
            ax.plot(images, losses, color=line.get_color(), alpha=0.2, linewidth=0.8)
    ax.set(xlabel="training images seen", ylabel="loss (nats per image)", yscale="log")
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    ax.legend(title=f"mean of {window} batches", loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _running_mean(values: Sequence[float], window: int) -> Tensor:
    """Mean of each value and those before it, at most ``window`` in all."""
    sums = torch.as_tensor(values, dtype=torch.float64).cumsum(0)
    sums[window:] -= sums[:-window].clone()
    return sums / torch.arange(1, len(sums) + 1).clamp(max=window)


def accuracy_against_time(runs: dict[str, Sequence[Sequence[tuple[float, float]]]], *, target: float) -> Figure:
    """Test accuracy against seconds of training: a point for each epoch of each run, a line through their means.

    Args:
        runs: for each label its runs; each run is a pair (seconds so far, accuracy from 0 to 1) per epoch. The line
            ends with the shortest run.
        target: an accuracy, drawn as a line across.
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


def confusion_matrix(counts: Tensor, class_names: Sequence[str]) -> Figure:
    """Counts of (true class, predicted class); the colour shows the mistakes only.

    Args:
        counts: (C, C); row = true class, column = predicted class.
        class_names: C names.
    """
    figure, ax = new_figure(width=6.2, height=5.4)
    mistakes = counts.clone()
    mistakes.fill_diagonal_(0)
    picture = ax.imshow(mistakes.numpy(), cmap="Oranges", vmin=0, vmax=max(1, mistakes.max().item()))
    for row, column in counts.nonzero().tolist():
        weight = "bold" if row == column else "normal"
        color = "white" if mistakes[row, column] > 0.6 * mistakes.max() else "black"
        number = f"{counts[row, column]}"
        ax.text(column, row, number, ha="center", va="center", fontsize=9, weight=weight, color=color)
    ax.set(xlabel="predicted class", ylabel="true class", xticks=range(len(counts)), yticks=range(len(counts)))
    ax.set_xticklabels(class_names)
    ax.set_yticklabels(class_names)
    ax.grid(visible=False)
    figure.colorbar(picture, label="mistakes (images)", shrink=0.8)
    return figure
