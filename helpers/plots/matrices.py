"""Matrices as coloured cells with their numbers."""

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor


def draw_matrix(ax: Axes, values: Tensor, title: str = "", *, number: str = "g", limit: float | None = None) -> None:
    """Draw a matrix into ``ax``: blue below 0, white at 0, red above, each number written in its cell.

    Args:
        ax: where to draw.
        values: (rows, columns).
        title: written above.
        number: the format of the numbers; '' writes none.
        limit: the magnitude with the strongest colour; None for the largest one among the values.

    Raises:
        ValueError: if ``values`` has not two dimensions.
    """
    if values.ndim != 2:
        raise ValueError(f"expected a matrix (rows, columns): got shape {tuple(values.shape)}")
    values = values.detach().cpu()
    limit = limit or max(values.abs().max().item(), 1e-12)
    # A scale wider than the values keeps the colours pale enough to read black numbers on.
    ax.imshow(values.numpy(), cmap="RdBu_r", vmin=-1.6 * limit, vmax=1.6 * limit)
    if number:
        for row, line in enumerate(values.tolist()):
            for column, value in enumerate(line):
                ax.text(column, row, f"{value:{number}}", ha="center", va="center", fontsize=9)
    ax.set_title(title, fontsize=10, loc="center")
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    for side in ax.spines.values():
        side.set(visible=True, color="0.6")


def outline(ax: Axes, row: int, column: int, height: int, width: int, colour: str = "C1") -> None:
    """Draw a frame around the cells from (row, column) on, ``height`` rows and ``width`` columns of them."""
    corner = (column - 0.5, row - 0.5)
    ax.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=colour, linewidth=2.5, zorder=4))
