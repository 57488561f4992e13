"""Paths of optimizers down a valley: one panel for each, or all of them racing."""

import math
from collections.abc import Mapping

import torch
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from torch import Tensor

from helpers.plots.style import ACCENT, INK, MUTED, STYLE, new_figure

LEVELS = (1e-4, 0.01, 0.3, 1.5, 5, 15, 40, 100, 1000)  # of the loss; paths arrive when they stay below the second
COLORS = [INK if color == ACCENT else color for color in STYLE["axes.prop_cycle"].by_key()["color"]]  # of runners


def draw_valley(ax: Axes, hessian: Tensor, *, limit: float = 10.0) -> None:
    """Fill the contours of the loss w · hessian · w / 2, the darker the lower, in axes of equal scale.

    Args:
        ax: Axes to draw into.
        hessian: Symmetric matrix (2, 2) with positive curvatures.
        limit: The axes reach from -limit to limit.
    """
    line = torch.linspace(-limit, limit, 201, dtype=torch.float64)
    points = torch.cartesian_prod(line, line).view(201, 201, 2)
    loss = ((points @ hessian.double()) * points).sum(-1) / 2
    ax.contourf(line, line, loss.T.clamp(min=2 * LEVELS[0]), LEVELS, norm=LogNorm(2e-7, 20_000), cmap="Greys_r")
    ax.plot(0, 0, "+", color=INK, markersize=7, zorder=3)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), xticks=[], yticks=[], aspect="equal")
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)


def path_grid(
    paths: Mapping[str, Mapping[str, Tensor]],
    hessians: Mapping[str, Tensor],
    arrived: Mapping[str, Mapping[str, int | None]],
    *,
    limit: float = 10.0,
) -> Figure:
    """One panel for each path: a row for each valley, a column for each optimizer; the first one there in the accent.

    Args:
        paths: For each valley, for each optimizer, its path (steps + 1, 2).
        hessians: Each valley's matrix of second derivatives (2, 2).
        arrived: How many steps each path took to the minimum, None for one that did not arrive; written in its panel.
        limit: The panels reach from -limit to limit.
    """
    rows, columns = len(paths), max(map(len, paths.values()))
    figure, axes = new_figure(rows, columns, height=1.6 * rows, squeeze=False)
    for position, (row, (valley, several)) in enumerate(zip(axes, paths.items())):
        first = min(filter(None, arrived[valley].values()), default=None)
        for ax, (name, path) in zip(row, several.items()):
            color = ACCENT if arrived[valley][name] == first else INK
            draw_valley(ax, hessians[valley], limit=limit)
            ax.plot(*path.T, color=color, linewidth=1.3, marker="o", markersize=2.6, markeredgewidth=0)
            ax.plot(*path[0], "o", color="white", markersize=6, markeredgecolor=color, markeredgewidth=1.5)
            if path.abs().max() > limit:
                ax.text(-0.94 * limit, 0.92 * limit, "far out,\nand back", color=color, fontsize=9, va="top")
            steps = {"color": color, "ha": "right", "weight": "bold", "transform": ax.transAxes}
            ax.text(0.95, 0.06, _steps(arrived[valley][name]), **steps)
            if position == 0:
                ax.set_title(name)
        row[0].set_ylabel(valley, color=INK, weight="bold", fontsize=11)
    return figure


def race_frame(
    paths: Mapping[str, Mapping[str, Tensor]],
    hessians: Mapping[str, Tensor],
    arrived: Mapping[str, Mapping[str, int | None]],
    step: int,
    *,
    limit: float = 10.0,
    tail: int = 12,
) -> Figure:
    """All optimizers at one step, a panel for each valley: names, in the order of their heights, lead to the paths.

    Args:
        paths: For each valley, for each optimizer, its path (steps + 1, 2).
        hessians: Each valley's matrix of second derivatives (2, 2).
        arrived: After how many steps each path is counted as arrived, None for never; then its name says so.
        step: Steps made so far.
        limit: The panels reach from -limit to limit.
        tail: How many of the last steps are drawn.
    """
    figure, axes = new_figure(1, len(paths), height=3.85, squeeze=False)
    for ax, (valley, several) in zip(axes[0], paths.items()):
        draw_valley(ax, hessians[valley], limit=limit)
        ax.set_xlim(-limit, 1.75 * limit)  # the names stand beside the valley
        first = min(several, key=lambda name: arrived[valley][name] or math.inf)
        ax.set_title(f"{valley}: {first} first" if step >= (arrived[valley][first] or math.inf) else valley)
        heights = torch.linspace(0.72 * limit, -0.72 * limit, len(several)).tolist()
        colors = dict(zip(several, COLORS))
        from_above = sorted(several, key=lambda name: -several[name][step, 1].item())  # so that no lines cross
        for name, height in zip(from_above, heights):
            path, color, last = several[name], colors[name], arrived[valley][name]
            _draw_runner(ax, path[max(0, step - tail) : step + 1], color)
            here = last is not None and step >= last
            ax.text(1.08 * limit, height, name, color=color, va="bottom", weight="bold")
            look = {"color": ACCENT, "weight": "bold"} if here and name == first else {"color": MUTED}
            ax.text(1.08 * limit, height, _steps(last) if here or step == len(path) - 1 else "", va="top", **look)
            head = path[step].clamp(-limit, limit).tolist()
            ends = [head[0], 1.05 * limit], [head[1], height + 0.05 * limit]
            ax.plot(*ends, color=MUTED, linewidth=0.7, linestyle=":", zorder=1)
        ax.text(-0.95 * limit, -0.93 * limit, f"step {step}", weight="bold")
    return figure


def _draw_runner(ax: Axes, path: Tensor, color: str) -> None:
    ax.plot(*path.T, color=color, linewidth=1.4)
    ax.plot(*path[-1], "o", color=color, markersize=7, markeredgecolor="white", markeredgewidth=0.8, zorder=4)


def _steps(count: int | None) -> str:
    if count is None:
        return "not there"
    return f"{count} step{'' if count == 1 else 's'}"
