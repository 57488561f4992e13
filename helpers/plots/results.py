"""Figures of results: counts, losses, accuracies, mistakes."""

import math
from collections.abc import Collection, Mapping, Sequence
from statistics import geometric_mean, mean

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


def accuracy_against_time(
    runs: Mapping[str, Sequence[Sequence[tuple[float, float]]]],
    *,
    target: float,
    hero: str = "",
    below: Collection[str] = (),
) -> Figure:
    """Test accuracy against seconds of training: a point per epoch of each run, and a line through their means.

    On the logarithmic axis of seconds, the mean is the geometric one. An arrow along the target leads from the hero's
    first epoch there to that of the last one who reaches it. A run that took more than three times as long as its like
    is called slow.

    Args:
        runs: For each label, its runs; a run is a list of pairs (seconds so far, accuracy from 0 to 1), one per epoch.
            The line ends with the shortest run.
        target: Accuracy from 0 to 1, drawn as a horizontal line.
        hero: Label that is drawn in the accent; the others are pale.
        below: Labels that stand below the first point instead of at its left.
    """
    figure, ax = new_figure(height=3.6)
    ax.axhline(100 * target, color=MUTED, linewidth=1, linestyle="--", zorder=0)
    reached = {}
    for label, points in runs.items():
        color, text = (ACCENT, ACCENT) if label == hero else (PALE, MUTED)
        dots = [(seconds, 100 * accuracy) for run in points for seconds, accuracy in run]
        ax.plot(*zip(*dots), "o", color=color, markersize=3.5, alpha=0.35)
        epochs = list(zip(*points))  # ends with the shortest run
        means = [(geometric_mean(seconds), mean(accuracies)) for seconds, accuracies in (zip(*e) for e in epochs)]
        for epoch, (middle, _) in zip(epochs, means):
            for seconds, accuracy in epoch:
                if seconds > 3 * middle:
                    place = {"xytext": (6, 0), "textcoords": "offset points", "va": "center"}
                    ax.annotate("one slow run", (seconds, 100 * accuracy), **place, color=MUTED, fontsize=9)
        x, y = [seconds for seconds, _ in means], [100 * accuracy for _, accuracy in means]
        ax.plot(x, y, "o-", color=color, markersize=7, linewidth=1.3)
        reached[label] = next((s for s, a in means if a >= target), math.inf)
        place = {"xy": (min(epochs[0])[0], y[0]), "xytext": (-10, 0), "ha": "right", "va": "center"}
        if len(x) == 1:  # above its dots
            place |= {"xy": (x[0], max(accuracy for _, accuracy in dots)), "xytext": (0, 10), "ha": "center"}
        elif label in below:
            place |= {"xy": (x[0], y[0]), "xytext": (-4, -18), "ha": "left"}
        weight = "bold" if label == hero else "normal"
        ax.annotate(label, **place, textcoords="offset points", color=text, weight=weight, fontsize=9.5)
    ax.set(
        xlabel="seconds of training (small dots: runs; large ones: their means, epoch by epoch)",
        ylabel="test accuracy (%)",
        xscale="log",
    )
    ax.margins(x=0.08, y=0.12)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    rivals = {label: seconds for label, seconds in reached.items() if math.isfinite(seconds) and label != hero}
    if rivals and math.isfinite(reached.get(hero, math.inf)):
        slowest = max(rivals, key=rivals.get)
        ends = (reached[hero], 100 * target), (rivals[slowest], 100 * target)
        ax.annotate("", ends[1], ends[0], arrowprops={"arrowstyle": "-|>", "color": ACCENT, "linewidth": 2.5})
        ratio = f"{slowest} takes {float(f'{rivals[slowest] / reached[hero]:.2g}'):,.0f} times as long"
        place = {"xytext": (8, -15), "textcoords": "offset points", "color": ACCENT, "weight": "bold"}
        ax.annotate(ratio, ends[0], **place)
        ax.set_title(
            f"{hero.capitalize()} reads {100 * target:g} % of the test images after {reached[hero]:.1f} s of training"
        )
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
