"""Tensors as views of a storage: whatever a view reads stands below the slot that it reads."""

import itertools
from collections.abc import Mapping

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from helpers.plots.marks import draw_arc
from helpers.plots.style import COPY_GROUND, FORWARD, INK, MUTED, new_figure

MOST_SLOTS = 24  # more would be too narrow to read
NAMES, ATTRIBUTES, WIDEST_SLOT, ROW = 2.3, 1.5, 0.72, 0.36  # inches; ROW is the height of an element
HEADER, LINE, ARCS = 1.3, 1.15, 0.85  # in heights of an element: the storage, a row of elements, arcs above or below it

Index = tuple[int, ...]


def storage_views(views: Mapping[str, Tensor], *, width: float = 9.0) -> Figure:
    """A storage, and below it each view's elements under the slots that they read.

    Arcs above the elements are steps of the last dimension, arcs below those of the first one. Shades tell the view's
    rows apart. A view that reads a slot several times takes several lines. What has a storage of its own stands on a
    tinted ground.

    Args:
        views: For the code of each view, the tensor. The storage is that of the first one.
        width: Width of the figure in inches.

    Raises:
        ValueError: If there is no view, or one has no elements, more than 24 slots, no storage (meta, sparse), or reads
            the first one's storage as another dtype or conjugated.
    """
    if not views:
        raise ValueError("nothing to draw: pass at least one view, such as {'points.t()': points.t()}")
    slots = _most_slots(views)
    slot_width = min(WIDEST_SLOT, (width - NAMES - ATTRIBUTES) / slots)
    rows = HEADER + sum(_height(view) for view in views.values()) + 0.7
    figure, ax = new_figure(width=width, height=ROW * rows)
    draw_views(ax, views)
    left = (width - NAMES - ATTRIBUTES - slots * slot_width) / 2  # inches that are left over on each side
    ax.set_xlim(-(NAMES + left) / slot_width, slots + (ATTRIBUTES + left) / slot_width)
    return figure


def draw_views(ax: Axes, views: Mapping[str, Tensor]) -> None:
    """Draw the picture of ``storage_views`` into ``ax``: slots reach from x = 0 to their number, names left of them.

    Args:
        ax: Axes to draw into.
        views: For the code of each view, the tensor.

    Raises:
        ValueError: See ``storage_views``.
    """
    slots, tops, (first, *_) = _most_slots(views), [HEADER], views.values()
    for view in views.values():
        tops.append(tops[-1] + _height(view))
    are_copies = [not share_storage(first, view) for view in views.values()]
    storage_end = min(itertools.compress(tops, are_copies), default=tops[-1])
    for slot in range(_slot_count(first) + 1):  # lines lead the eye down, to where another storage begins
        ax.plot([slot, slot], [1, storage_end], color="0.9", linewidth=0.8, zorder=0)
    _draw_storage(ax, first)
    for top, is_copy, (name, view) in zip(tops, are_copies, views.items()):
        _draw_view(ax, name, view, top, is_copy=is_copy, right=slots)
    ax.set(xlim=(-6, slots + 4), ylim=(tops[-1] + 0.1, -0.6))
    ax.axis("off")


def slots_of(view: Tensor) -> dict[Index, int]:
    """For each index of a tensor, the slot of its storage: offset + Σ index · stride."""
    indices = itertools.product(*map(range, view.size()))
    return {index: view.storage_offset() + sum(i * s for i, s in zip(index, view.stride())) for index in indices}


def _most_slots(views: Mapping[str, Tensor]) -> int:
    """Number of slots of the largest storage, when all views can be drawn."""
    first, *_ = views.values()
    for name, view in views.items():
        if view.layout != torch.strided or view.device.type == "meta":
            raise ValueError(f"{name} has no storage to draw: its layout is {view.layout}, its device {view.device}")
        if not view.numel() or _slot_count(view) > MOST_SLOTS:
            raise ValueError(
                f"{name} cannot be drawn: need 1 or more elements and at most {MOST_SLOTS} slots, "
                f"got {view.numel()} elements and {_slot_count(view)} slots"
            )
        if share_storage(first, view) and (view.dtype, view.is_conj()) != (first.dtype, first.is_conj()):
            raise ValueError(f"{name} cannot be drawn: it reads the same bytes as other numbers; clone it first")
    return max(map(_slot_count, views.values()))


def _slot_count(view: Tensor) -> int:
    return view.untyped_storage().nbytes() // view.dtype.itemsize


def share_storage(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors, neither of them empty, have the same storage."""
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


def _lines(view: Tensor) -> list[dict[Index, int]]:
    """Elements with their slots, in as few lines as keep the slots of each line apart."""
    slots = slots_of(view)
    for shared in range(view.ndim + 1):  # leading indices that the elements of a line have in common
        lines = [dict(line) for _, line in itertools.groupby(slots.items(), lambda item, n=shared: item[0][:n])]
        if all(len(set(line.values())) == len(line) for line in lines):
            return lines
    raise AssertionError("one element in a line always fits")


def _height(view: Tensor) -> float:
    lines = _lines(view)
    return LINE * len(lines) + ARCS * (2 if len(lines) == 1 and view.ndim > 1 else 1)


def _draw_storage(ax: Axes, view: Tensor) -> None:
    stored = torch.frombuffer(bytearray(view.untyped_storage().cpu()), dtype=view.dtype)
    for slot, value in enumerate(stored.tolist()):
        ax.text(slot + 0.5, -0.25, slot, ha="center", va="center", fontsize=9, color=MUTED)
        _draw_box(ax, slot, 0, value, facecolor="white", edgecolor=INK, linewidth=1.2, gid=f"slot {slot}")
    ax.text(-0.25, -0.25, "slot", ha="right", va="center", fontsize=9, color=MUTED)
    ax.text(-0.25, 0.5, "storage", ha="right", va="center", fontsize=10, weight="bold")


def _draw_view(ax: Axes, name: str, view: Tensor, top: float, *, is_copy: bool, right: float) -> None:
    lines, rows = _lines(view), sorted({index[:-1] for index in slots_of(view)})
    shade = {row: 0.12 + 0.4 * number / max(1, len(rows) - 1) for number, row in enumerate(rows)}
    middle = top + ARCS + LINE * len(lines) / 2 - 0.07
    if is_copy:
        ground = (-0.15, top + ARCS - 0.15), _slot_count(view) + 0.3, LINE * len(lines) + 0.15
        ax.add_patch(Rectangle(*ground, color=COPY_GROUND, zorder=0))
    for number, line in enumerate(lines):
        bottom = top + ARCS + LINE * number
        for index, slot in line.items():
            look = {"facecolor": mpl.colormaps["Blues"](shade[index[:-1]]), "edgecolor": FORWARD, "linewidth": 1}
            gid = f"{name} {','.join(map(str, index))}"
            _draw_box(ax, slot, bottom, view[index].item(), **look, gid=gid)
        if number == 0:
            _draw_steps(ax, line, -1, bottom)
    if len(lines) == 1 and view.ndim > 1:
        _draw_steps(ax, lines[0], 0, top + ARCS + 1)
    elif len(lines) > 1:
        start, end = (min(line.values()) for line in lines[:2])
        _draw_step_down(ax, start, end, top + ARCS + 0.5)
    ax.text(-0.25, middle, name, ha="right", va="center", fontsize=9.5, family="monospace")
    attributes = f"size {tuple(view.size())}", f"stride {view.stride()}", f"offset {view.storage_offset()}"
    ax.text(right + 0.3, middle, "\n".join(attributes), va="center", fontsize=9, color=MUTED, linespacing=1.25)
    if is_copy:
        ax.text(-0.25, middle + 0.75, "new storage", ha="right", va="center", fontsize=9, color=MUTED)


def _draw_steps(ax: Axes, line: dict[Index, int], dim: int, y: float) -> None:
    """Arcs between neighbors: along the last dimension, above; from the first element along dimension 0, below."""
    side, color = (1, MUTED) if dim == 0 else (-1, FORWARD)
    steps = {}
    for index, slot in line.items():
        following = list(index)
        if index and not (dim == 0 and any(index[1:])):
            following[dim] += 1
            steps[slot] = line.get(tuple(following), slot)
    steps = {start: end for start, end in steps.items() if start != end}
    for start, end in steps.items():
        bend = side * min(0.45, 0.55 / abs(end - start)) * (1 if end > start else -1)
        draw_arc(ax, (start + 0.5, y), (end + 0.5, y), bend=bend, color=color)
    if steps:
        start, end = next(iter(steps.items()))
        place, ground = ((start + end + 1) / 2, y + side * 0.5), {"facecolor": "white", "linewidth": 0, "pad": 1}
        ax.text(*place, f"{end - start:+d}", ha="center", va="center", fontsize=9, color=color, bbox=ground)


def _draw_step_down(ax: Axes, start: int, end: int, y: float) -> None:
    """An arc on the left, from the first line of a view to the second."""
    below = end > start  # then the second line leaves room below the first element of the first
    origin = (start + 0.3, y + 0.5) if below else (start, y)
    place = (start + 0.2, y + LINE) if below else (start - 0.35, y + LINE / 2)
    draw_arc(ax, origin, (end, y + LINE), bend=0.4 if below else 0.6, color=MUTED)
    ground = {"facecolor": "white", "linewidth": 0, "pad": 1}
    ax.text(*place, f"{end - start:+d}", ha="right", va="center", fontsize=9, color=MUTED, bbox=ground)


def _draw_box(ax: Axes, slot: int, y: float, value: complex | bool, **look: object) -> None:
    ax.add_patch(Rectangle((slot, y), 1, 1, **look))
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    ax.text(slot + 0.5, y + 0.5, text, ha="center", va="center", fontsize=10 if len(text) < 4 else 9)
