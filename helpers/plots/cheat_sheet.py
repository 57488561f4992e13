"""One printable page of layers, activation functions, optimizers and tensor views."""

import math
from collections.abc import Callable, Mapping

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from torch import Tensor, nn

from helpers.plots.storage import draw_views

A4 = 8.27, 11.69  # inches
MARGIN = 0.04  # share of the page that printers leave white
JUMP = 0.3  # a larger difference between two neighboring points of a derivative is a jump: no line joins them


def cheat_sheet(
    layers: Mapping[str, tuple[nn.Module, Tensor, str]],
    activations: Mapping[str, Callable[[Tensor], Tensor]],
    optimizers: Mapping[str, tuple[Tensor, str]],
    surface: Callable[[Tensor], Tensor],
    views: Mapping[str, Tensor],
) -> Figure:
    """Draw the page, A4 upright; ``savefig("cheat_sheet.pdf")`` stores it for the printer.

    Args:
        layers: For the code of each layer: the layer, an example input, and its formula in Matplotlib's math notation.
            The shapes and numbers of parameters are measured.
        activations: For each name, an elementwise function, drawn with its derivative by autograd.
        optimizers: For the code of each optimizer: its path over the surface, (steps + 1, 2), and its update rule.
        surface: Loss as a function of two parameters, given as a tensor (2, …).
        views: For the code of each view, the tensor, drawn below its storage; see ``storage_views``.
    """
    figure = Figure(figsize=A4)
    figure.set_layout_engine("constrained", rect=(MARGIN, MARGIN, 1 - 2 * MARGIN, 1 - 2 * MARGIN))
    parts = figure.subfigures(4, 1, height_ratios=(2.0, 1.4, 3.4, 2.6), hspace=0.02)
    _table_of_layers(parts[0], layers)
    _curves(parts[1], activations)
    _paths(parts[2], optimizers, surface)
    _storages(parts[3], views)
    return figure


def _heading(part: SubFigure, text: str, key: str) -> None:
    """Write a title and, on the same line, the meaning of the letters and lines below it."""
    part.suptitle(text, x=0.01, ha="left", fontsize=11, fontweight="bold")
    part.text(0.99, 0.98, key, ha="right", va="top", fontsize=8, color="0.35")


def _table_of_layers(part: SubFigure, layers: Mapping[str, tuple[nn.Module, Tensor, str]]) -> None:
    _heading(part, "Layers", "n, n′ side before and after; k kernel, s stride, p padding; q probability")
    ax = part.subplots()
    ax.axis("off")
    rows = [("", "computes, or side n′ of the output", "input → output", "parameters")]
    for code, (layer, example, formula) in layers.items():
        with torch.no_grad():
            result = layer(example)
        output = result[0] if isinstance(result, tuple) else result
        count = sum(parameter.numel() for parameter in layer.parameters())
        rows.append((code, formula, f"{_size(example)} → {_size(output)}", f"{count:,}"))
    for number, row in enumerate(rows):
        y = 1 - (number + 0.5) / len(rows)
        for x, text in zip((0, 0.33, 0.7, 1), row):
            look = {"color": "0.35"} if number == 0 else {"family": "monospace"} if x == 0 else {}
            ax.text(x, y, text, ha="right" if x == 1 else "left", va="center", fontsize=8, **look)


def _size(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape))


def _curves(part: SubFigure, activations: Mapping[str, Callable[[Tensor], Tensor]]) -> None:
    _heading(part, "Activation functions", "solid: the function; dashed: its derivative")
    axes = part.subplots(1, len(activations), sharey=True)
    for ax, (name, function) in zip(axes, activations.items()):
        x = torch.linspace(-4, 4, 401, requires_grad=True)
        y = function(x)
        (slope,) = torch.autograd.grad(y.sum(), x)
        ax.plot(x.detach(), y.detach())
        jumps = slope.diff(prepend=slope[:1]).abs() > JUMP
        ax.plot(x.detach(), slope.masked_fill(jumps, math.nan), linestyle="--")
        ax.set_title(name, fontsize=9, loc="center")
        ax.set(ylim=(-1.2, 2.2), xticks=(-4, 0, 4), yticks=(-1, 0, 1, 2))
        ax.tick_params(labelsize=7)


def _paths(part: SubFigure, optimizers: Mapping[str, tuple[Tensor, str]], surface: Callable[[Tensor], Tensor]) -> None:
    _heading(
        part,
        "Optimizers",
        "β parameter, g gradient, α learning rate, t number of the step; each path ends near the minimum, +",
    )
    everywhere = torch.cat([path.detach().cpu() for path, _ in optimizers.values()])
    low, high = everywhere.amin(dim=0) - 0.5, everywhere.amax(dim=0) + 0.5
    grid = torch.meshgrid(*(torch.linspace(a, b, 120) for a, b in zip(low.tolist(), high.tolist())), indexing="xy")
    heights = surface(torch.stack(grid))
    axes = part.subplots(len(optimizers), 2, width_ratios=(1, 1.7), sharex="col")
    for (left, right), (name, (path, update)) in zip(axes, optimizers.items()):
        left.contour(*grid, heights.sqrt(), levels=6, colors="0.8", linewidths=0.7)
        left.plot(*path.detach().cpu().T, color="C0", linewidth=1.2, marker=".", markersize=2)
        left.plot(0, 0, marker="+", color="C1", markersize=7)
        left.set(xticks=[], yticks=[])
        left.grid(visible=False)
        left.spines[:].set_visible(False)
        _text_beside(right, name, update)


def _text_beside(ax: Axes, name: str, update: str) -> None:
    ax.axis("off")
    ax.text(0, 0.95, name, va="top", fontsize=8, family="monospace")
    ax.text(0, 0.6, update, va="top", fontsize=9)


def _storages(part: SubFigure, views: Mapping[str, Tensor]) -> None:
    _heading(part, "Tensor views", "element (i, j, …) reads slot offset + i·stride[0] + j·stride[1] + …")
    draw_views(part.subplots(), views, between="   ")
