"""Figures of results: counts, losses, accuracies, mistakes."""

from collections.abc import Sequence

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from torch import Tensor

from helpers.plots.style import new_figure

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
    curves: dict[str, Numbers], *, batch_size: int = 1, window: int = 50, show_batches: bool = True
) -> Figure:
    """Training loss against the number of images seen: its running mean, and in pale the loss of each batch.

    Args:
        curves: For each label, the losses of all batches in order, in nats per image.
        batch_size: Number of images in a batch.
        window: Number of batches in the running mean; at the beginning, there are fewer.
        show_batches: Whether to draw the loss of each batch, too.
    """
    figure, ax = new_figure()
    for label, losses in curves.items():
        losses = _floats(losses)
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
