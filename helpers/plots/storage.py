"""Tensors as views of a storage: an arrow leads from each element to the cell that it reads."""

import itertools
import math
from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from helpers.plots.style import new_figure

MOST_CELLS = 64  # more would be too narrow to read
PAGE_WIDTH = 9.0  # inches
LABEL_WIDTH = 0.7  # inches, for the names of the rows
WIDEST_CELL = 0.45  # inches
NARROWEST_PANEL = 3.4  # inches: room for the title

# Heights in a panel: a storage cell reaches from 0 to 1, an element from 3 to 4.
CELL_NUMBER, CELL, ELEMENT, INDEX = -0.4, 0.5, 3.5, 4.2

Index = tuple[int, ...]


def storage_diagram(*tensors: Tensor, titles: Sequence[str] = (), columns: int = 1) -> Figure:
    """The storage cell that each element of a tensor reads: one panel per tensor.

    The upper boxes are the elements in the order of their indices, with one color per row. The lower boxes are cells of
    the storage; gray ones are read. An arrow leads from element (i, j, …) to cell offset + i·stride[0] +
    j·stride[1] + …. The drawing uses only ``untyped_storage``, ``storage_offset``, ``size``, ``stride``, ``dtype``.

    Args:
        *tensors: Tensors of any number of dimensions, with at most 64 elements and 64 storage cells each.
        titles: Title of each tensor; by default none.
        columns: Number of panels side by side, from 1 to 3.

    Raises:
        ValueError: If there is no tensor, ``columns`` is out of range, or the number of titles is wrong; if a tensor is
            too large, has no storage (meta, sparse), or is conjugated or negated only when it is read.
    """
    if not tensors or not 1 <= columns <= 3:
        raise ValueError(f"need at least one tensor, and one to three columns: got {len(tensors)} and {columns}")
    if titles and len(titles) != len(tensors):
        raise ValueError(f"need one title per tensor: got {len(titles)} titles for {len(tensors)} tensors")
    for tensor in tensors:
        _check(tensor)
    columns = min(columns, len(tensors))
    rows = math.ceil(len(tensors) / columns)
    panel_width = PAGE_WIDTH / columns - 0.2
    widest = max(_width_in_cells(tensor) for tensor in tensors)
    cell_width = _cell_width(panel_width, widest)
    panel_width = min(panel_width, max(cell_width * widest + LABEL_WIDTH, NARROWEST_PANEL))
    size = {"width": columns * (panel_width + 0.2), "height": 2.3 * rows}
    figure, axes = new_figure(rows, columns, squeeze=False, **size)
    for ax in axes.flat[len(tensors) :]:
        ax.remove()
    for ax, tensor, title in zip(axes.flat, tensors, titles or [""] * len(tensors)):
        _draw_panel(ax, tensor, title, panel_width, cell_width)
    return figure


def draw_storage(ax: Axes, tensor: Tensor, title: str, *, width: float) -> None:
    """Draw one panel of ``storage_diagram`` into ``ax``, which is ``width`` inches wide.

    Raises:
        ValueError: If the tensor cannot be drawn: see ``storage_diagram``.
    """
    _check(tensor)
    _draw_panel(ax, tensor, title, width, _cell_width(width, _width_in_cells(tensor)))


def storage_arrows(ax: Axes) -> dict[Index, tuple[int, str, str]]:
    """Content of a panel of ``storage_diagram``, read from its texts and arrows alone.

    Args:
        ax: Axes of a panel.

    Returns:
        For the index of each element, from left to right: the number of the cell to which its arrow points, the value
        written in the element's box, and the value written in that cell.
    """
    written = {text.get_position(): text.get_text() for text in ax.texts}
    arrows = [text for text in ax.texts if getattr(text, "arrow_patch", None)]
    shown = {}
    for (start, _), (tip, _) in sorted((arrow.xyann, arrow.xy) for arrow in arrows):
        index = tuple(int(i) for i in written[start, INDEX].strip("()").split(",") if i)
        shown[index] = int(written[tip, CELL_NUMBER]), written[start, ELEMENT], written[tip, CELL]
    return shown


def _check(tensor: Tensor) -> None:
    if tensor.layout != torch.strided or tensor.device.type == "meta":
        raise ValueError(f"no storage to draw: the tensor's layout is {tensor.layout}, its device {tensor.device}")
    if tensor.is_conj() or tensor.is_neg():
        raise ValueError("what is stored is not what is read: call resolve_conj() or resolve_neg() on the tensor first")
    elements, cells = math.prod(tensor.size()), _cell_count(tensor)
    if max(elements, cells) > MOST_CELLS:
        raise ValueError(
            f"at most {MOST_CELLS} elements and cells can be drawn: got {elements} elements, {cells} cells"
        )


def _width_in_cells(tensor: Tensor) -> float:
    return max(_elements_width(tensor.size()), _cell_count(tensor)) + 0.2  # and a margin


def _cell_width(panel_width: float, cells: float) -> float:
    return min(WIDEST_CELL, (panel_width - LABEL_WIDTH) / cells)


def _draw_panel(ax: Axes, tensor: Tensor, title: str, panel_width: float, cell_width: float) -> None:
    indices = list(itertools.product(*map(range, tensor.size())))
    cells = [_cell_number(tensor, index) for index in indices]
    stored = [_written(value) for value in _stored_values(tensor)]
    value_size = _font_size(stored, cell_width)
    label_size = min(8, _font_size([_label(index) for index in indices], cell_width))
    # Indices too long to be read side by side stand upright.
    upright = {"rotation": 90, "fontsize": 8} if label_size < 6 else {"fontsize": label_size}

    # Both rows of boxes start at 0; then the shorter one is centered above or below the other.
    lead = (_elements_width(tensor.size()) - len(stored)) / 2
    cell_places = [number + 0.5 + max(0, lead) for number in range(len(stored))]
    element_places = [place + max(0, -lead) for place in _element_places(tensor.size())]
    for number, (x, value) in enumerate(zip(cell_places, stored)):
        ax.add_patch(_box(x, 0, facecolor="0.88" if number in cells else "white", edgecolor="0.3"))
        ax.text(x, CELL, value, ha="center", va="center", fontsize=value_size)
        ax.text(x, CELL_NUMBER, str(number), ha="center", va="center", fontsize=min(8, value_size), color="0.35")
    row_length = tensor.size()[-1] if tensor.size() else 1
    for number, (index, cell, x) in enumerate(zip(indices, cells, element_places)):
        color = f"C{number // row_length % 10}"
        ax.add_patch(_box(x, 3, facecolor="white", edgecolor=color, linewidth=1.5))
        ax.text(x, ELEMENT, stored[cell], ha="center", va="center", fontsize=value_size)
        ax.text(x, INDEX, _label(index), ha="center", va="bottom", color="0.2", **upright)
        arrow = {"arrowstyle": "-|>", "color": color, "shrinkA": 0, "shrinkB": 0, "linewidth": 1}
        ax.annotate("", xy=(cell_places[cell], 1), xytext=(x, 3), arrowprops=arrow)
    for y, name in ((INDEX + 0.3, "index"), (ELEMENT, "element"), (CELL, "storage"), (CELL_NUMBER, "cell")):
        ax.text(-0.1 / cell_width, y, name, ha="right", va="center", fontsize=8, color="0.35")
    ax.set_xlim(-LABEL_WIDTH / cell_width, (panel_width - LABEL_WIDTH) / cell_width)
    ax.set_ylim(-0.8, 5.2 if label_size >= 6 else 6.2)
    ax.axis("off")
    ax.set_title(f"{title}\n{_attributes(tensor)}".strip(), fontsize=9, loc="left")


def _box(center: float, bottom: float, **look: object) -> Rectangle:
    return Rectangle((center - 0.5, bottom), 1, 1, **look)


def _cell_number(tensor: Tensor, index: Index) -> int:
    return tensor.storage_offset() + sum(i * stride for i, stride in zip(index, tensor.stride()))


def _cell_count(tensor: Tensor) -> int:
    return tensor.untyped_storage().nbytes() // tensor.dtype.itemsize


def _stored_values(tensor: Tensor) -> list:
    """Bytes of the storage as numbers of the tensor's dtype; the last bytes may be too few for a cell."""
    storage_bytes = bytearray(tensor.untyped_storage().cpu())[: _cell_count(tensor) * tensor.dtype.itemsize]
    return torch.frombuffer(storage_bytes, dtype=tensor.dtype).tolist() if storage_bytes else []


def _written(value: complex | bool) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    return str(value) if isinstance(value, int) else f"{value:.3g}"


def _element_places(size: torch.Size) -> list[float]:
    """Center of each element's box, in cells; there is a gap of half a cell between rows, one between planes, …"""
    gaps = [math.prod(size[d:]) for d in range(1, len(size))]  # numbers of elements between gaps
    return [number + 0.5 + sum(number // gap for gap in gaps) / 2 for number in range(math.prod(size))]


def _elements_width(size: torch.Size) -> float:
    return max(_element_places(size), default=-0.5) + 0.5


def _label(index: Index) -> str:
    return ",".join(map(str, index)) or "()"


def _font_size(texts: Sequence[str], width: float) -> float:
    """Size, at most 10 points, at which the longest text fits into ``width`` inches."""
    longest = max(map(len, texts), default=1) or 1
    return min(10, 72 * width / (0.62 * longest + 0.3))


def _attributes(tensor: Tensor) -> str:
    dtype = str(tensor.dtype).removeprefix("torch.")
    return f"size {tuple(tensor.size())}, stride {tensor.stride()}, offset {tensor.storage_offset()}, {dtype}"
