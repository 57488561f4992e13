"""Matrices as colored cells with their numbers."""

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from helpers.plots.style import ACCENT, INK, SIGNED_MAP


def draw_matrix(
    ax: Axes,
    values: Tensor,
    title: str = "",
    *,
    number: str = "g",
    limit: float | None = None,
    stored: tuple[int, int] | None = None,
) -> None:
    """Draw a matrix into ``ax``: purple below 0, white at 0, green above, each number written in its cell.

    Args:
        ax: Axes to draw into.
        values: Matrix (rows, columns).
        title: Title of the axes.
        number: Format of the numbers; '' writes none.
        limit: Magnitude with the strongest color; by default the largest of the values.
        stored: Numbers of rows and columns that exist; the others, which broadcasting repeats, are paler.

    Raises:
        ValueError: If ``values`` does not have two dimensions.
    """
    if values.ndim != 2:
        raise ValueError(f"expected a matrix (rows, columns): got shape {tuple(values.shape)}")
    values = values.detach().cpu()
    limit = limit or max(values.abs().max().item(), 1e-12)
    # A scale wider than the values keeps the colors pale enough to read black numbers on.
    rows, columns = stored or values.shape
    alpha = torch.full(values.shape, 0.3)
    alpha[:rows, :columns] = 1
    ax.imshow(values.numpy(), cmap=SIGNED_MAP, vmin=-1.6 * limit, vmax=1.6 * limit, alpha=alpha.numpy())
    if number:
        for row, line in enumerate(values.tolist()):
            for column, value in enumerate(line):
                text = f"{value:{number}}".replace("-", "−")
                color = INK if row < rows and column < columns else "0.3"
                ax.text(column, row, text, ha="center", va="center", fontsize=9, color=color)
    ax.set_title(title, fontsize=10, loc="center")
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    ax.spines[:].set_visible(True)
    ax.spines[:].set_color("0.6")


def highlight_cells(ax: Axes, row: int, column: int, height: int, width: int, color: str = ACCENT) -> None:
    """Draw a frame around ``height`` × ``width`` cells of a matrix, the upper left one at (row, column)."""
    corner = (column - 0.5, row - 0.5)
    ax.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=color, linewidth=2.5, zorder=4, clip_on=False))
