"""Figures of results: counts, losses, accuracies, mistakes."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from torch import Tensor

from helpers.plots.marks import label_lines
from helpers.plots.style import ACCENT, FORWARD, MUTED, PARAMETER, UNSIGNED_MAP, new_figure

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
    losses: Numbers, after_epochs: Mapping[str, Numbers] | None = None, *, batch_size: int, window: int = 100
) -> Figure:
    """Training loss against the number of images seen, and what was measured after each epoch, on a logarithmic scale.

    Args:
        losses: Loss of every batch in order, in nats per image: drawn in pale, and their running mean as a line.
        after_epochs: For the name of each measurement, its value after each epoch of equal length.
        batch_size: Number of images in a batch.
        window: Number of batches in the running mean; at the beginning, there are fewer.
    """
    figure, ax = new_figure(height=3.6)
    losses = _floats(losses)
    images = [batch_size * batch for batch in range(1, len(losses) + 1)]
    ax.plot(images, losses, color=FORWARD, alpha=0.15, linewidth=0.6)
    means = _running_mean(losses, window).tolist()
    ax.plot(images, means, color=FORWARD, linewidth=2.2, label=f"training, mean of {window} batches")
    for color, (name, values) in zip((ACCENT, PARAMETER, MUTED), (after_epochs or {}).items()):
        values = _floats(values)
        ends = [images[-1] * (epoch + 1) / len(values) for epoch in range(len(values))]
        ax.plot(ends, values, "o", color=color, markersize=7, label=name, zorder=4)
    lowest = min([*means, *(value for values in (after_epochs or {}).values() for value in _floats(values))])
    ax.set(xlabel="training images seen", ylabel="loss (nats per image)", yscale="log", xlim=(0, images[-1] * 1.01))
    ax.set_ylim(0.6 * lowest, 1.2 * max(losses))  # single batches may have a loss of nearly 0
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    label_lines(ax, number="{:.3f}")
    return figure


def _floats(values: Numbers) -> list[float]:
    return [value.item() if isinstance(value, Tensor) else value for value in values]


def _running_mean(values: Sequence[float], window: int) -> Tensor:
    """Mean of each value and the values before it, at most ``window`` in all."""
    sums = torch.tensor(values, dtype=torch.float64).cumsum(0)
    sums[window:] -= sums[:-window].clone()
    return sums / torch.arange(1, len(sums) + 1).clamp(max=window)


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


def confusion_matrix(counts: Tensor, class_names: Sequence[str]) -> Figure:
    """Number of images of each pair (true class, predicted class); the color shows the mistakes only.

    Args:
        counts: Counts (C, C); row = true class, column = predicted class.
        class_names: C names.
    """
    figure, ax = new_figure(width=6.2, height=5.4)
    counts = counts.detach().cpu()
    mistakes = counts.clone()
    mistakes.fill_diagonal_(0)
    ax.imshow(mistakes.numpy(), cmap=UNSIGNED_MAP, vmin=0, vmax=max(1, mistakes.max().item()))
    for row, column in counts.nonzero().tolist():
        weight = "bold" if row == column else "normal"
        color = "white" if mistakes[row, column] > 0.6 * mistakes.max() else "black"
        number = f"{counts[row, column]}"
        ax.text(column, row, number, ha="center", va="center", fontsize=9, weight=weight, color=color)
    ax.set(xlabel="predicted class", ylabel="true class", xticks=range(len(counts)), yticks=range(len(counts)))
    ax.set_xticklabels(class_names)
    ax.set_yticklabels(class_names)
    ax.grid(visible=False)
    return figure
