"""What lies in memory, byte by byte: the channels of an image, the bits of floating-point numbers."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from helpers.plots.marks import draw_arc
from helpers.plots.storage import share_storage, slots_of
from helpers.plots.style import ACCENT, COPY_GROUND, FORWARD, INK, MUTED, new_figure

CHANNELS = {"R": "#b3261e", "G": "#1d7a3c", "B": "#2456b3"}
SIGN, EXPONENT, FRACTION = MUTED, "#8f6b00", FORWARD


def channel_order(images: Mapping[str, Tensor]) -> Figure:
    """The three planes of a color image, and for each of its memory formats the order of its values in the storage.

    Frames mark the three values of the first pixel.

    Args:
        images: For each name, the same image (1, 3, H, W) in some memory format, with at most 24 values.
    """
    image, *_ = images.values()
    _, channels, rows, columns = image.shape
    width, pixels = image.numel(), rows * columns
    figure, ax = new_figure(height=0.4 * rows + 0.3 + 1.35 * len(images))
    shape = f"one image {tuple(image.shape)}: its red, green and blue values"
    ax.text(0, -0.25, shape, fontsize=10, weight="bold", va="bottom")
    for channel in range(channels):
        left = channel * pixels + (pixels - columns) / 2  # each plane stands above its values
        for pixel in range(pixels):
            _draw_value(ax, left + pixel % columns, pixel // columns, channel, pixel)
    for number, (name, tensor) in enumerate(images.items()):
        top = rows + 2.4 + 3.1 * number
        ax.text(0, top - 0.85, name, fontsize=10, weight="bold", va="bottom")
        hop = tensor.stride(1)
        step = f"stride {tensor.stride()}: from channel to channel {hop} slot{'s' * (hop > 1)}"
        ax.text(width, top - 0.85, step, ha="right", va="bottom", fontsize=9, color=MUTED)
        if not share_storage(image, tensor):
            ax.add_patch(Rectangle((-0.12, top - 0.15), width + 0.24, 1.3, color=COPY_GROUND, zorder=0))
        for channel in range(channels - 1):
            start = channel * hop + 0.5
            draw_arc(ax, (start, top), (start + hop, top), bend=-0.5 / hop, color=INK)
        for (_, channel, row, column), slot in slots_of(tensor).items():
            _draw_value(ax, slot, top, channel, row * columns + column)
    ax.set(xlim=(-0.15, width + 0.15), ylim=(top + 1.2, -0.9))
    ax.axis("off")
    return figure


def _draw_value(ax: Axes, left: float, top: float, channel: int, pixel: int) -> None:
    letter, color = list(CHANNELS.items())[channel]
    frame = {"edgecolor": INK, "linewidth": 2.6, "zorder": 3} if pixel == 0 else {"edgecolor": "white", "linewidth": 1}
    ax.add_patch(Rectangle((left + 0.03, top + 0.05), 0.94, 0.9, facecolor=color, **frame))
    place, look = (left + 0.5, top + 0.5), {"color": "white", "fontsize": 9.5, "zorder": 4}
    ax.text(*place, f"{letter}{pixel}", ha="center", va="center", **look)


def float_bits(value: float, dtypes: Sequence[torch.dtype]) -> Figure:
    """The bits of one number in several floating-point formats, and what each of them stores.

    Exponents end, and fractions begin, at the same place, so that one sees who spends the bits on what.

    Args:
        value: Number to store.
        dtypes: Floating-point dtypes of PyTorch.
    """
    formats = [(dtype, *_fields(dtype)) for dtype in dtypes]
    most, longest = max(exponent for _, exponent, _ in formats), max(fraction for *_, fraction in formats)
    figure, ax = new_figure(height=0.6 + 0.48 * len(formats))
    for row, (dtype, exponent, fraction) in enumerate(formats):
        stored = torch.tensor(value, dtype=dtype)
        colors = [SIGN] + [EXPONENT] * exponent + [FRACTION] * fraction
        for place, (bit, color) in enumerate(zip(_bits(stored), colors), start=-exponent - 1):
            ground, ink = (color, "white") if bit == "1" else ("white", color)
            ax.add_patch(Rectangle((place + 0.04, row + 0.12), 0.92, 0.76, facecolor=ground, edgecolor=color))
            ax.text(place + 0.5, row + 0.5, bit, ha="center", va="center", fontsize=9, color=ink)
        name = str(dtype).removeprefix("torch.")
        ax.text(-most - 1.4, row + 0.5, name, ha="right", va="center", fontsize=9.5, family="monospace")
        exact = f"{Decimal(stored.double().item()):f}"  # every digit
        text = exact if len(exact) < 14 else exact[:13] + "…"
        ax.text(fraction + 0.5, row + 0.5, text, va="center", fontsize=10)
    for x, name, color in ((-most - 0.5, "sign", SIGN), (-most / 2, "exponent", EXPONENT), (3.5, "fraction", FRACTION)):
        ax.text(x, -0.25, name, ha="center", va="center", fontsize=9.5, color=color, weight="bold")
    ax.set(xlim=(-most - 9, longest + 8), ylim=(len(formats), -0.6))
    ax.axis("off")
    return figure


def _fields(dtype: torch.dtype) -> tuple[int, int]:
    """Numbers of bits of the exponent and of the fraction."""
    fraction = round(-math.log2(torch.finfo(dtype).eps))
    return 8 * dtype.itemsize - 1 - fraction, fraction


def _bits(stored: Tensor) -> str:
    """Bits of a number, the most significant first."""
    whole = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[stored.dtype.itemsize]
    count = 8 * stored.dtype.itemsize
    return f"{stored.view(whole).item() % 2**count:0{count}b}"


def draw_representable(ax: Axes, dtypes: Sequence[torch.dtype], highest: float) -> None:
    """Draw all the numbers from 0 to ``highest`` that formats of one byte can store, as a row of marks for each.

    Powers of two from 1 on are taller.

    Args:
        ax: Axes to draw into.
        dtypes: Floating-point dtypes of one byte.
        highest: End of the axis.
    """
    for row, dtype in enumerate(dtypes):
        numbers = torch.arange(256, dtype=torch.uint8).view(dtype).double()
        numbers = numbers[(numbers >= 0) & (numbers <= highest)].unique()
        powers = numbers[(numbers >= 1) & (numbers.log2() == numbers.log2().round())]
        ax.vlines(numbers, row - 0.28, row + 0.28, color=FRACTION, linewidth=0.8, clip_on=False)
        ax.vlines(powers, row - 0.42, row + 0.42, color=ACCENT, linewidth=2, clip_on=False)
        ax.text(1.015 * highest, row, f"… to {torch.finfo(dtype).max:,.0f}", va="center", fontsize=9, color=MUTED)
        name = str(dtype).removeprefix("torch.")
        ax.text(-0.02 * highest, row, name, ha="right", va="center", fontsize=9.5, family="monospace")
    ax.set(xlim=(0, highest), ylim=(len(dtypes) - 0.4, -0.6), yticks=[])
    ax.spines[["left"]].set_visible(False)
    ax.grid(visible=False)
