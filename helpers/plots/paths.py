"""Paths of optimizers down a valley: one panel for each, or all of them racing."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from torch import Tensor

from helpers.plots.style import ACCENT, INK, MUTED, STYLE, new_figure, paler

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
        first = _fewest_steps(arrived[valley])
        for ax, (name, path) in zip(row, several.items()):
            color = ACCENT if arrived[valley][name] == first else INK
            draw_valley(ax, hessians[valley], limit=limit)
            ax.plot(*path.T, color=color, linewidth=1.3, marker="o", markersize=2.6, markeredgewidth=0)
            ax.plot(*path[0], "o", color="white", markersize=6, markeredgecolor=color, markeredgewidth=1.5)
            if path.abs().max() > limit:
                ax.text(-0.94 * limit, 0.92 * limit, "far out,\nand back", color=color, fontsize=9, va="top")
            steps = {"color": color, "ha": "right", "weight": "bold", "transform": ax.transAxes}
            ax.text(0.95, 0.06, _steps(arrived[valley][name]) + ", first" * (color == ACCENT), **steps)
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
    """All optimizers at one step: for each valley a panel, and a scoreboard whose bars grow until their path arrives.

    A dot moves along its path, and stops at the end of its bar.

    Args:
        paths: For each valley, for each optimizer, its path (steps + 1, 2).
        hessians: Each valley's matrix of second derivatives (2, 2).
        arrived: After how many steps each path is counted as arrived, None for never.
        step: Steps made so far.
        limit: The panels reach from -limit to limit.
        tail: How many of the last steps are drawn.
    """
    figure, axes = new_figure(1, 2 * len(paths), height=2.9, squeeze=False, width_ratios=[1.45, 1] * len(paths))
    for ax, board, (valley, several) in zip(axes[0, ::2], axes[0, 1::2], paths.items()):
        draw_valley(ax, hessians[valley], limit=limit)
        there = [name for name, count in arrived[valley].items() if count and step >= count]
        first = min(there, key=arrived[valley].get, default="")
        ax.set_title(f"{valley}: {first} first" if first else valley)
        ax.text(-0.95 * limit, -0.93 * limit, f"step {step}", weight="bold")
        for number, (color, (name, path)) in enumerate(zip(COLORS, several.items())):
            ax.plot(*path[: step + 1].T, color=paler(color, 0.7), linewidth=0.7)
            if name not in there:
                ax.plot(*path[max(0, step - tail) : step + 1].T, color=color, linewidth=1.6)
                size = 10 - 0.7 * number  # so that none hides another
                ax.plot(*path[step], "o", color=color, markersize=size, markeredgecolor="white", zorder=4)
            if path[: step + 1].abs().max() > limit:
                ax.text(0.95 * limit, -0.93 * limit, f"{name}: far out,\nand back", color=color, fontsize=9, ha="right")
        losses = [(path[-1] @ hessians[valley] @ path[-1] / 2).item() for path in several.values()]
        _draw_board(board, step, arrived[valley], losses, last_step=max(map(len, several.values())) - 1)
    return figure


def _draw_board(
    ax: Axes, step: int, arrived: Mapping[str, int | None], losses: Sequence[float], last_step: int
) -> None:
    """One row for each runner, always in the same order: its dot, its name, its steps as a bar, or its last loss."""
    first = _fewest_steps(arrived)
    for row, (color, (name, count), loss) in enumerate(zip(COLORS, arrived.items(), losses)):
        here = count is not None and step >= count
        ax.barh(row, last_step, height=0.16, color="0.92")
        ax.barh(row, count if here else step, height=0.16, color=color)
        if here:
            ax.plot(count, row, "o", color=color, markersize=8, markeredgecolor="white", clip_on=False)
        ax.plot(0.03 * last_step, row - 0.38, "o", color=color, markersize=6)
        ax.text(0.09 * last_step, row - 0.38, name, color=color, weight="bold", va="center")
        look = {"color": ACCENT, "weight": "bold"} if count == first else {"color": MUTED}
        ended = _steps(count) if here else f"loss {loss:.2g}" if step == last_step else ""
        ax.text(last_step, row - 0.38, ended, ha="right", va="center", fontsize=9, **look)
    ax.set(xlim=(0, last_step), ylim=(len(arrived) - 0.6, -0.8), yticks=[], xticks=(0, last_step // 2, last_step))
    ax.set_xlabel(f"steps until loss stays < {LEVELS[1]:g}", fontsize=9)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)


def _fewest_steps(arrived: Mapping[str, int | None]) -> int | None:
    return min(filter(None, arrived.values()), default=None)


def _steps(count: int | None) -> str:
    if count is None:
        return "not there"
    return f"{count} step{'' if count == 1 else 's'}"
