"""How networks learn: neurons with their values and weights, and stacks of layers that do or don't train."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from torch import Tensor

from helpers.plots.marks import draw_dots
from helpers.plots.style import ACCENT, FORWARD, GRADIENT, INK, MUTED, NEGATIVE, PALE, PARAMETER, new_figure

APART = 4.6  # distance of two columns of neurons, in distances of two neurons


def neurons(values: Sequence[Tensor], weights: Sequence[Tensor], names: Sequence[str], *, chosen: int = 0) -> Figure:
    """Layers as columns of circles with their values, and each weight as a line.

    A line is green for a positive weight, purple for a negative one, and the thicker the larger the weight is. The
    weights that one neuron of the first layer reads by are drawn strongly and have their values beside them.

    Args:
        values: The inputs (n,), then the outputs of each layer (n,).
        weights: For each layer, its weights (outputs, inputs).
        names: Name of each column.
        chosen: Number of the neuron that is drawn strongly.

    Raises:
        ValueError: If the shapes don't fit together, or there is no such neuron.
    """
    sizes = [len(column) for column in values]
    if [tuple(matrix.shape) for matrix in weights] != list(zip(sizes[1:], sizes)) or len(names) != len(sizes):
        raise ValueError(
            f"columns of {sizes} values need a weight matrix (outputs, inputs) between them and a name each: "
            f"got shapes {[tuple(matrix.shape) for matrix in weights]} and {len(names)} names"
        )
    if len(sizes) < 2 or not 0 <= chosen < sizes[1]:
        raise ValueError(f"there is no neuron {chosen} in the first layer")
    height = max(sizes)
    figure, ax = new_figure(height=0.62 * height + 0.9)
    ax.set(xlim=(-0.6, APART * (len(sizes) - 1) + 0.6), ylim=(-height / 2 - 0.1, height / 2 + 0.75), aspect="equal")
    ax.axis("off")
    thick = 4 / max(matrix.abs().max().item() for matrix in weights)
    for layer, matrix in enumerate(weights):
        _draw_weights(ax, layer, matrix, thick, chosen if layer == 0 else None)
    for number, (column, name) in enumerate(zip(values, names)):
        color = FORWARD if number else INK
        ax.text(APART * number, height / 2 + 0.5, name, ha="center", va="center", weight="bold", color=color)
        for neuron, value in enumerate(column.tolist()):
            place = _place(number, neuron, sizes[number])
            strong = number == 1 and neuron == chosen
            ground = FORWARD if strong else "white"
            ax.add_patch(
                Circle(place, 0.38, facecolor=ground, edgecolor=color, linewidth=2 if strong else 1.3, zorder=3)
            )
            text = f"{value:.3g}".replace("-", "−")
            ax.text(*place, text, ha="center", va="center", color="white" if strong else color, fontsize=10, zorder=4)
    return figure


def _place(column: int, neuron: int, size: int) -> tuple[float, float]:
    return APART * column, (size - 1) / 2 - neuron


def _draw_weights(ax: Axes, layer: int, matrix: Tensor, thick: float, chosen: int | None) -> None:
    outputs, inputs = matrix.shape
    for output in range(outputs):
        ends = [(_place(layer, number, inputs), _place(layer + 1, output, outputs)) for number in range(inputs)]
        row, strong = matrix[output].tolist(), output == chosen
        colors = [PARAMETER if weight > 0 else NEGATIVE for weight in row]
        widths = [max(0.6, thick * abs(weight)) for weight in row]
        look = {"alpha": 1 if strong else 0.25, "zorder": 2 if strong else 1}
        ax.add_collection(LineCollection(ends, colors=colors, linewidths=widths, **look), autolim=False)
        for ((x, y), (x_end, y_end)), weight, color in zip(ends, row, colors):
            if strong:
                place = x + 0.4 * (x_end - x), y + 0.4 * (y_end - y)
                ground = {"facecolor": "white", "linewidth": 0, "pad": 0.6}
                text = f"{weight:.2g}".replace("-", "−")
                ax.text(*place, text, ha="center", va="center", color=color, weight="bold", bbox=ground, zorder=2.5)


class Rescue(NamedTuple):
    """How a stack of layers trains.

    Attributes:
        name: Name of the stack.
        norms: Gradient norms (runs, layers) before training, the layer next to the input first.
        rates: Learning rates that were tried.
        tried: Loss for each of these rates; it may be infinite.
        losses: Losses of the runs with the best of these rates.
    """

    name: str
    norms: Tensor
    rates: Sequence[float]
    tried: Sequence[float]
    losses: Sequence[float]


def rescue_board(stacks: Sequence[Rescue], guess: float, *, guess_name: str, runs_name: str) -> Figure:
    """A row for each stack: what reaches its layers, what each learning rate makes of it, and how well it learns.

    A stack whose runs all stay at the loss of guessing is pale, the others wear the accent.

    Args:
        stacks: The stacks, from top to bottom.
        guess: Loss of a network that guesses.
        guess_name: Name of this loss, such as ``"ln 10"``.
        runs_name: Title of the last column.

    Raises:
        ValueError: If there is no stack.
    """
    if not stacks:
        raise ValueError("no stacks: a board needs at least one row")
    figure, axes = new_figure(
        len(stacks), 3, height=0.72 * len(stacks) + 0.8, width_ratios=(1, 1, 1.35), sharex="col", squeeze=False
    )
    figure.set_layout_engine("constrained", wspace=0.08)
    low, high = _decades([stack.norms for stack in stacks])
    fastest, slowest = (pick(rate for stack in stacks for rate in stack.rates) for pick in (max, min))
    for number, (stack, (norms, rates, runs)) in enumerate(zip(stacks, axes)):
        saved = min(stack.losses) < 0.95 * guess
        _draw_norms(norms, stack.norms, low, high)
        norms.set_ylabel(stack.name, rotation=0, ha="right", va="center", weight="bold" if saved else "normal")
        norms.yaxis.label.set_color(ACCENT if saved else MUTED)
        _draw_rates(rates, stack, guess, saved=saved)
        rates.set(xscale="log", xlim=(slowest / 2, 2 * fastest), ylim=(-0.15 * guess, 1.25 * guess))
        rates.set_yticks([0, guess], ["0", f"{guess:.1f}"])
        runs.set(xlim=(0, 1.08 * guess), ylim=(-0.6, 1.4), yticks=[])
        runs.axvline(guess, color=MUTED, linestyle=":", linewidth=1.2)
        draw_dots(runs, 0, [min(loss, 1.05 * guess) for loss in stack.losses], number=".2f", hero=saved)
        for ax in (rates, runs):
            ax.spines["left"].set_visible(False)
        for ax in (norms, rates, runs):
            ax.grid(visible=False, axis="y")
            ax.tick_params(labelsize=9, length=2, which="both")
            ax.tick_params(bottom=number == len(stacks) - 1, which="both")
    for ax, title in zip(axes[0], ("Gradient norms at first", "Loss at each rate tried", runs_name)):
        ax.set_title(title, fontsize=10)
    axes[0, 2].text(0.94 * guess, 0, guess_name, ha="right", va="center", fontsize=9, color=MUTED)
    axes[0, 1].text(slowest, 0.85 * guess, guess_name, va="top", fontsize=9, color=MUTED)
    layers = stacks[0].norms.shape[1]
    axes[-1, 0].set(xlabel="layer, 1 next to the input", xticks=range(1, layers + 1))
    axes[-1, 1].set_xlabel("learning rate")
    axes[-1, 2].set_xlabel("loss")
    return figure


def _decades(norms: Sequence[Tensor]) -> tuple[float, float]:
    positive = torch.cat([part.flatten() for part in norms])
    positive = positive[positive > 0]
    return 10 ** math.floor(positive.min().log10().item()), 10 ** math.ceil(positive.max().log10().item())


def _draw_norms(ax: Axes, norms: Tensor, low: float, high: float) -> None:
    """The median over the runs as a line, on a logarithmic scale, and all runs as a band."""
    positions = range(1, norms.shape[1] + 1)
    ax.set(yscale="log", ylim=(low / 3, 3 * high), yticks=[low, high])
    ax.fill_between(positions, norms.amin(0).tolist(), norms.amax(0).tolist(), color=GRADIENT, alpha=0.2, linewidth=0)
    ax.plot(positions, norms.quantile(0.5, dim=0).tolist(), "o-", color=GRADIENT, markersize=3.5, linewidth=1.5)
    ax.minorticks_off()


def _draw_rates(ax: Axes, stack: Rescue, guess: float, *, saved: bool) -> None:
    """The loss at each rate, cut off above the guess, and a ring around the best one."""
    shown = [min(loss, 1.15 * guess) if math.isfinite(loss) else 1.15 * guess for loss in stack.tried]
    ax.axhline(guess, color=MUTED, linestyle=":", linewidth=1.2)
    ax.plot(stack.rates, shown, "o-", color=PALE, markersize=4, linewidth=1.2)
    best = shown.index(min(shown))
    if saved:
        ax.plot(
            stack.rates[best], shown[best], "o", color=ACCENT, markersize=9, markerfacecolor="none", markeredgewidth=2
        )
        place = {"xytext": (0, 9), "textcoords": "offset points", "ha": "center", "fontsize": 9, "color": ACCENT}
        place["bbox"] = {"facecolor": "white", "linewidth": 0, "pad": 0.5}
        ax.annotate(f"{stack.rates[best]:g}", (stack.rates[best], shown[best]), **place)
