"""Layers as drawings: a network's wires, which cells a kernel reads, and what one output sees of an image."""

import itertools
import math
from collections.abc import Iterator, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, ConnectionPatch, Polygon, Rectangle
from torch import Tensor

from helpers.plots.marks import draw_image
from helpers.plots.matrices import draw_matrix, highlight_cells
from helpers.plots.style import (
    ACCENT,
    COPY_GROUND,
    FORWARD,
    INK,
    INK_MAP,
    MUTED,
    NEGATIVE,
    PALE,
    PARAMETER,
    UNSIGNED_MAP,
    new_figure,
    paler,
)

DEPTH, RISE, FLOOR = 0.5, 0.36, 9.5  # how planes lean to the right and back, and the distance of two of them
HEAT_MAP = "Oranges"  # gradients


def draw_wires(ax: Axes, inputs: Tensor, weights: Tensor, biases: Tensor, outputs: Tensor) -> None:
    """Draw a fully connected layer for one example: wires from each input to each output, biases beside the outputs.

    Wires are as thick as their weights are large, green above 0 and purple below; a weight of 0 has no wire.

    Args:
        ax: Axes to draw into.
        inputs: Inputs (I,), written into circles at the left.
        weights: Weights (O, I).
        biases: Biases (O,).
        outputs: Outputs (O,), written into circles at the right.

    Raises:
        ValueError: If the shapes don't fit together.
    """
    if weights.shape != (len(outputs), len(inputs)):
        raise ValueError(f"need weights {(len(outputs), len(inputs))}: got {tuple(weights.shape)}")
    left = [(0.0, (len(inputs) - 1) / 2 - place) for place in range(len(inputs))]
    right = [(3.2, (len(outputs) - 1) / 2 - place) for place in range(len(outputs))]
    thickest = max(weights.abs().max().item(), 1e-12)
    for end, row in zip(right, weights.tolist()):
        for start, weight in zip(left, row):
            look = {"color": PARAMETER if weight > 0 else NEGATIVE, "linewidth": 4 * abs(weight) / thickest}
            ax.plot(*zip(start, end), zorder=1, solid_capstyle="butt", **look)
    for places, values, color in ((left, inputs, INK), (right, outputs, FORWARD)):
        for place, value in zip(places, values.tolist()):
            ax.add_patch(Circle(place, 0.36, facecolor="white", edgecolor=color, linewidth=1.8, zorder=2))
            text = f"{value:g}".replace("-", "−")
            ax.text(*place, text, ha="center", va="center", color=color, fontsize=9, zorder=3)
    for (x, y), bias in zip(right, biases.tolist()):
        text = f"{bias:+g}".replace("-", "−") if bias else ""
        ax.text(x + 0.48, y, text, va="center", color=PARAMETER if bias > 0 else NEGATIVE, weight="bold", fontsize=9)
    half = max(len(inputs), len(outputs)) / 2
    ax.set(xlim=(-0.5, 4.3), ylim=(-half, half), aspect="equal")
    ax.axis("off")


def draw_reads(ax: Axes, size: int, kernel: int, *, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Draw a row of input cells, a row of output cells above it, and lines from each output to what it reads.

    The first output and its lines are in the accent. It returns the number of outputs.

    Args:
        ax: Axes to draw into.
        size: Number of input cells.
        kernel: Number of cells that an output reads.
        stride: Distance between the first cells of two neighboring outputs.
        padding: Number of cells of zeros, drawn dashed, at each end.
        dilation: Distance between two cells that an output reads.
    """
    starts = range(-padding, size + padding - dilation * (kernel - 1), stride)
    middle = dilation * (kernel - 1) / 2
    for number, start in enumerate(starts):
        color = ACCENT if number == 0 else PALE
        for read in range(start, start + dilation * kernel, dilation):
            ax.plot([start + middle, read], [1.62, 0.38], color=color, linewidth=1.6 if number == 0 else 0.9, zorder=1)
        _draw_cell(ax, start + middle, 2, color if number == 0 else FORWARD)
    for place in range(-padding, size + padding):
        real = 0 <= place < size
        _draw_cell(ax, place, 0, INK if real else PALE, "-" if real else "--")
        if not real:
            ax.text(place, 0, "0", ha="center", va="center", color=MUTED, fontsize=9)
    for y, name in ((0, "inputs"), (2, "outputs")):
        ax.text(-padding - 0.7, y, name, ha="right", va="center", fontsize=9, color=MUTED)
    ax.set(xlim=(-max(padding, 1) - 2.4, size + max(padding, 1) - 0.4), ylim=(-0.5, 2.5), aspect="equal")
    ax.axis("off")
    return len(starts)


def _draw_cell(ax: Axes, x: float, y: float, color: str, line: str = "-") -> None:
    look = {"facecolor": "white", "edgecolor": color, "linestyle": line, "linewidth": 1.4}
    ax.add_patch(Rectangle((x - 0.38, y - 0.38), 0.76, 0.76, zorder=2, **look))


def receptive_pyramid(
    maps: Sequence[Tensor],
    kernels: Sequence[int],
    strides: Sequence[int],
    pixel: tuple[int, int],
    gradient: Tensor,
) -> Figure:
    """What one pixel of the last map sees: a pyramid over the image, and the pixel's gradient beside it.

    All maps are drawn to one scale, each value over the middle of the pixels that it is computed from.

    Args:
        maps: The image (H, W), and the map after each layer.
        kernels: Side of each layer's kernel, without padding or dilation.
        strides: Stride of each layer.
        pixel: Row and column of the pixel in the last map.
        gradient: Gradient (H, W) of that pixel for the image.

    Raises:
        ValueError: If there is not one kernel and one stride for each map after the image.
    """
    if not len(maps) - 1 == len(kernels) == len(strides):
        raise ValueError(f"need {len(maps) - 1} kernels and strides: got {len(kernels)} and {len(strides)}")
    first, steps = [0.0], [1]  # where a map's first cell begins, in pixels of the image, and how wide its cells are
    for kernel, stride in zip(kernels, strides):
        first.append(first[-1] + steps[-1] * (kernel - stride) / 2)
        steps.append(steps[-1] * stride)
    squares = [(*pixel, 1)]  # row, column and side of what is seen, in cells, from the last map to the image
    for kernel, stride in zip(kernels[::-1], strides[::-1]):
        row, column, side = squares[-1]
        squares.append((row * stride, column * stride, (side - 1) * stride + kernel))
    squares.reverse()
    figure, (left, right) = new_figure(1, 2, height=4.9, width_ratios=(1.45, 1))
    corners = [
        _draw_plane(left, values, level, begin, step, square)
        for level, (values, begin, step, square) in enumerate(zip(maps, first, steps, squares))
    ]
    for level, (values, (_, _, side)) in enumerate(zip(maps, squares)):
        kind = f", stride {strides[level - 1]}" if level and strides[level - 1] > 1 else ""
        name = f"layer {level}{kind}" if level else "image"
        role = "one output" if level == len(maps) - 1 else "seen"
        text = f"{name}: {values.shape[0]}×{values.shape[1]}\n{role}: {side}×{side}"
        left.text(30, FLOOR * level - 6, text, fontsize=9, va="center", color=MUTED if level else INK)
    for lower, upper in itertools.pairwise(corners):
        for start, end in zip(lower, upper):
            left.plot(*zip(start, end), color=ACCENT, linewidth=1, alpha=0.7)
    left.set(aspect="equal", title=f"One output sees {squares[0][2]}×{squares[0][2]} pixels")
    left.axis("off")
    _draw_gradient(right, maps[0], gradient, squares[0])
    return figure


def _draw_plane(
    ax: Axes, values: Tensor, level: int, begin: float, step: int, square: tuple[int, int, int]
) -> list[tuple[float, float]]:
    """A map as a plane that leans back, and on it what is seen, whose corners are returned."""

    def place(row: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
        back = -(begin + row * step)
        return begin + column * step + DEPTH * back, FLOOR * level + RISE * back

    height, width = values.shape
    grid = torch.meshgrid(torch.arange(height + 1.0), torch.arange(width + 1.0), indexing="ij")
    x, y = place(*grid)
    colors = INK_MAP if level == 0 else UNSIGNED_MAP
    ax.pcolormesh(x, y, values.detach(), cmap=colors, zorder=2 * level, rasterized=True, alpha=0.92)
    edge = torch.tensor([[0, 0], [0, width], [height, width], [height, 0]])
    outline = list(zip(*(side.tolist() for side in place(*edge.T))))
    ax.add_patch(Polygon(outline, fill=False, edgecolor=PALE, linewidth=0.8, zorder=2 * level))
    row, column, side = square
    seen = torch.tensor([[row, column], [row, column + side], [row + side, column + side], [row + side, column]])
    corners = list(zip(*(side.tolist() for side in place(*seen.T))))
    ax.add_patch(Polygon(corners, facecolor=(ACCENT, 0.25), edgecolor=ACCENT, linewidth=1.8, zorder=2 * level + 1))
    return corners


def _draw_gradient(ax: Axes, image: Tensor, gradient: Tensor, square: tuple[int, int, int]) -> None:
    draw_image(ax, 0.45 * image / image.max(), vmin=0, vmax=1)
    size = gradient.abs() / gradient.abs().max()
    ax.imshow(size.numpy(), cmap=HEAT_MAP, alpha=(0.85 * (size > 0)).numpy())
    row, column, side = square
    frame = Rectangle((column - 0.5, row - 0.5), side, side, fill=False, edgecolor=ACCENT, linewidth=1.8)
    ax.add_patch(frame)
    ax.set_title("Its gradient reaches only these")


def sliding_kernel(image: Tensor, kernel: Tensor, limit: float) -> Iterator[Figure]:
    """A kernel on its way over an image: one figure for each place, in which the feature map grows.

    Args:
        image: Image (H, W), small, because there are as many figures as places.
        kernel: Kernel (k, k).
        limit: Magnitude with the strongest color.
    """
    figure, axes = new_figure(1, 3, height=3.2, width_ratios=(10, 4, 10))
    places = image.unfold(0, len(kernel), 1).unfold(1, len(kernel), 1)  # (H', W', k, k)
    result = (places * kernel).sum(dim=(-2, -1))
    shown = torch.zeros_like(result)
    draw_image(axes[0], image)
    draw_matrix(axes[1], kernel, "kernel", limit=limit)
    draw_matrix(axes[2], result, number="", limit=limit)
    for ax, sign in zip(axes[1:], "⊙→"):
        ax.text(-0.15, 0.5, sign, transform=ax.transAxes, ha="center", va="center", fontsize=15)
    for ax in (axes[0], axes[2]):
        highlight_cells(
            ax, *divmod(result.argmax().item(), result.shape[1]), *((len(kernel),) * 2 if ax is axes[0] else (1, 1))
        )
    axes[0].set_title("image", fontsize=10, loc="center")
    axes[2].set_title("feature map", fontsize=10, loc="center")
    yield from itertools.repeat(figure, 4)  # the whole map first, for where films stand still
    for row in range(result.shape[0]):
        for column in range(result.shape[1]):
            shown[row, column] = result[row, column]
            axes[2].images[0].set_data(shown.numpy())
            for ax in (axes[0], axes[2]):
                ax.patches[0].set_xy((column - 0.5, row - 0.5))
            sign = "−" if result[row, column] < 0 else " "
            sum_ = f"sum of patch ⊙ kernel: {sign}{abs(result[row, column]):.2f}"
            axes[2].set_title(sum_, fontsize=10, loc="center", color=ACCENT)
            yield figure
            figure.set_layout_engine("none")  # the layout is found, and laying out takes long


def patch_times_kernel(image: Tensor, kernel: Tensor, feature_map: Tensor, place: tuple[int, int]) -> Figure:
    """How one pixel of a feature map is computed: patch ⊙ kernel = products, whose sum it is.

    Args:
        image: Image (H, W).
        kernel: Kernel (k, k).
        feature_map: What the kernel makes of the image, with stride 1 and without padding.
        place: Row and column of the pixel.
    """
    (row, column), side = place, len(kernel)
    patch = image[row : row + side, column : column + side]
    figure, axes = new_figure(1, 5, height=2.6, width_ratios=(26, 15, 15, 15, 26))
    limit = kernel.abs().max().item()
    draw_image(axes[0], image)
    axes[0].set_title("image", fontsize=10, loc="center")
    draw_image(axes[1], patch, vmin=0, vmax=1)
    for i, line in enumerate(patch.tolist()):
        for j, value in enumerate(line):
            color = "white" if value > 0.55 else INK
            axes[1].text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=9, color=color)
    axes[1].set_title("patch", fontsize=10, loc="center")
    draw_matrix(axes[2], kernel, "kernel", limit=limit)
    draw_matrix(axes[3], patch * kernel, "products", number=".2f", limit=limit)
    draw_matrix(axes[4], feature_map, "feature map", number="", limit=feature_map.abs().max().item() / 1.6)
    for ax, sign in zip(axes[2:4], "⊙="):
        ax.text(-0.13, 0.5, sign, transform=ax.transAxes, ha="center", va="center", fontsize=15)
    value = f"sum = {feature_map[row, column]:.2f}".replace("-", "−")
    axes[3].set_xlabel(value, fontsize=11, color=ACCENT, weight="bold")
    for ax, cells in ((axes[0], (row, column, side, side)), (axes[4], (row, column, 1, 1))):
        highlight_cells(ax, *cells)
    for ax, x, (top, bottom), target, goal, (goal_top, goal_bottom) in (
        (axes[0], column + side - 0.5, (row - 0.5, row + side - 0.5), axes[1], -0.5, (-0.5, side - 0.5)),
        (axes[3], side - 0.5, (-0.5, side - 0.5), axes[4], column - 0.5, (row - 0.5, row + 0.5)),
    ):
        for start, end in ((top, goal_top), (bottom, goal_bottom)):
            guide = ConnectionPatch((x, start), (goal, end), "data", "data", axesA=ax, axesB=target, color=ACCENT)
            guide.set_in_layout(False)
            figure.add_artist(guide)
    return figure


def channel_sums(
    channels: Tensor, kernels: Tensor, parts: Tensor, names: Sequence[str], titles: Sequence[str]
) -> Figure:
    """How a convolution mixes channels: each slice of a kernel reads one channel, and the parts add up.

    Args:
        channels: Input channels (C, H, W).
        kernels: Kernels (O, C, k, k).
        parts: What each slice makes of its channel, (O, C, H', W').
        names: Name of each channel.
        titles: What each output is, in a few words.
    """
    count, outputs = len(channels), len(kernels)
    figure, axes = new_figure(
        count, 1 + 3 * outputs, width=9, height=1.35 * count + 0.3, width_ratios=[5] + [3, 5, 6.5] * outputs
    )
    part_limit, limit = parts.abs().max().item() / 1.6, parts.sum(dim=1).abs().max().item() / 1.6
    for c, (channel, name) in enumerate(zip(channels, names)):
        draw_image(axes[c, 0], channel, cmap=UNSIGNED_MAP if c else INK_MAP)
        axes[c, 0].set_ylabel(name, fontsize=9)
        for o in range(outputs):
            slice_ax, part_ax, sum_ax = axes[c, 1 + 3 * o : 4 + 3 * o]
            draw_matrix(slice_ax, kernels[o, c], limit=1.6 * kernels.abs().max().item())
            draw_matrix(part_ax, parts[o, c], number="", limit=part_limit)
            if c:
                part_ax.text(0.5, 1.09, "+", transform=part_ax.transAxes, ha="center", va="center", fontsize=13)
            sum_ax.axis("off")
            if c == count // 2:
                sum_ax.axis("on")
                draw_matrix(sum_ax, parts[o].sum(dim=0), f"output {o + 1}", number="", limit=limit)
                sum_ax.set_xlabel(titles[o], fontsize=9, color=ACCENT)
                sum_ax.text(-0.12, 0.5, "=", transform=sum_ax.transAxes, ha="center", va="center", fontsize=15)
    axes[0, 0].set_title("channels", fontsize=10, loc="center")
    for o in range(outputs):
        axes[0, 1 + 3 * o].set_title(f"kernel {o + 1}", fontsize=10, loc="center")
        axes[0, 2 + 3 * o].set_title("parts", fontsize=10, loc="center")
    return figure


def draw_unrolled(ax: Axes, strengths: Sequence[float]) -> None:
    """Draw a recurrent layer unrolled in time; the first input is marked as changed.

    Args:
        ax: Axes to draw into.
        strengths: How strongly each hidden state is filled, from 0 to 1.
    """
    last = len(strengths) - 1
    for t, strength in enumerate(strengths):
        ground = paler(ACCENT, 0.7 * strength)
        box = {"boxstyle": "round,pad=0.4", "facecolor": ground, "edgecolor": FORWARD, "linewidth": 1.5}
        ax.text(t, 1, f"$h_{{{t + 1}}}$", ha="center", va="center", bbox=box, fontsize=11)
        ax.text(t, 0, f"$x_{{{t + 1}}}$", ha="center", va="center", fontsize=11, color=MUTED if t else ACCENT)
        ax.annotate("", (t, 0.66), (t, 0.2), arrowprops={"arrowstyle": "->", "color": MUTED})
        if t:
            arrow = {"arrowstyle": "-|>", "color": PARAMETER, "lw": 1.8, "shrinkA": 0, "shrinkB": 0}
            ax.annotate("", (t - 0.3, 1), (t - 0.7, 1), arrowprops=arrow)
    ax.text(0, -0.42, "changed", ha="center", color=ACCENT, weight="bold", fontsize=9)
    ax.text(last / 2, 1.5, "the same $W_h$ at every arrow", ha="center", color=PARAMETER)
    ax.set(xlim=(-0.5, last + 0.5), ylim=(-0.55, 1.75))
    ax.axis("off")


def gate_story(inputs: Tensor, input_gates: Tensor, forget_gates: Tensor, cells: Tensor) -> Figure:
    """An LSTM with one cell, step by step: its input, its two gates, and what it holds, each (T,)."""
    rows = {
        "input $x$": (inputs, PALE, (-2.3, 2.3)),
        "input gate $i$": (input_gates, PARAMETER, (0, 1.1)),
        "forget gate $f$": (forget_gates, PARAMETER, (0, 1.9)),
        "cell $c$": (cells, FORWARD, (min(-0.2, cells.min().item()), 1.3)),
    }
    figure, axes = new_figure(4, 1, height=4.2, sharex=True, height_ratios=(1.4, 0.7, 1.1, 1.1))
    for ax, (name, (values, color, limits)) in zip(axes, rows.items()):
        ax.bar(range(1, len(values) + 1), values.tolist(), color=color, width=0.8)
        ax.axhline(0, color=PALE, linewidth=0.8)
        ax.set_ylabel(name, rotation=0, ha="right", va="center", color=MUTED if color == PALE else color)
        ax.set(ylim=limits, yticks=[0, 1], xlim=(0.3, len(values) + 0.7))
        ax.grid(visible=False)
        ax.tick_params(axis="x", length=0)
        ax.spines["bottom"].set_visible(False)
    write, forget = input_gates.argmax().item() + 1, forget_gates.argmin().item() + 1
    for ax in axes:
        ax.axvspan(write - 0.5, forget - 0.5, color=COPY_GROUND, zorder=0, linewidth=0)
    axes[1].text(write + 0.7, 0.55, "← opens: write", color=PARAMETER, weight="bold", va="center")
    axes[2].text(forget, 1.5, "shuts: forget", color=PARAMETER, weight="bold", va="center", ha="center")
    axes[2].annotate("", (forget, 0.15), (forget, 1.2), arrowprops={"arrowstyle": "-|>", "color": PARAMETER, "lw": 2})
    axes[3].text(
        forget - 0.6,
        1.0,
        f"{cells[write - 1]:.2f}, kept {forget - write} steps",
        ha="right",
        color=FORWARD,
        weight="bold",
    )
    axes[0].set_title("Written once, kept until told to forget")
    axes[3].set(xlabel="step $t$", xticks=range(1, len(values) + 1))
    return figure


def image_attention(images: Tensor, results: Tensor, weights: Tensor, asking: int) -> Figure:
    """Images that listen to each other: lines from one of them to the others, all weights, and the weighted means.

    Args:
        images: Images (T, H, W).
        results: Images (T, H, W) after attention.
        weights: Weights (T, T): row t says to whom image t listens.
        asking: Number of the image whose lines are drawn, as thick as its weights are large.
    """
    count = len(images)
    figure, (left, right) = new_figure(1, 2, height=4.4, width_ratios=(1, 1.08))
    angles = [2 * math.pi * (number - asking) / count for number in range(count)]
    places = [(2.7 * math.sin(angle), 2.7 * math.cos(angle)) for angle in angles]
    strongest = weights[asking].max().item()
    for number, (place, weight) in enumerate(zip(places, weights[asking].tolist())):
        if number != asking:
            left.plot(
                *zip(places[asking], place), color=FORWARD, linewidth=16 * weight / strongest, zorder=1, alpha=0.75
            )
        _draw_thumbnail(left, images[number], place, 1.25, ACCENT if number == asking else PALE)
        above = 0.83 if place[1] >= -0.1 else -0.83
        text = f"{100 * weight:.0f} %"
        left.text(place[0], place[1] + above, text, ha="center", va="center", fontsize=9, color=FORWARD)
    left.set(xlim=(-3.9, 3.9), ylim=(-3.9, 3.9), aspect="equal")
    left.set_title("To whom the digit on top listens")
    right.imshow(weights, cmap=UNSIGNED_MAP)
    for row, column in (weights >= 0.1).nonzero().tolist():
        color = "white" if weights[row, column] > 0.45 else INK
        right.text(column, row, f"{100 * weights[row, column]:.0f}", ha="center", va="center", fontsize=9, color=color)
    highlight_cells(right, asking, 0, 1, count)
    for number in range(count):
        _draw_thumbnail(right, images[number], (-1.1, number), 0.9, PALE, upright=False)
        _draw_thumbnail(right, images[number], (number, -1.1), 0.9, PALE, upright=False)
        _draw_thumbnail(right, _stretched(results[number]), (count + 0.4, number), 0.9, FORWARD, upright=False)
    right.text(count + 0.4, -1.1, "result", ha="center", va="center", color=FORWARD, fontsize=10, weight="bold")
    right.set(xlim=(-1.7, count + 1), ylim=(count - 0.4, -1.7))
    right.set_title("Weights in % (from 10), and the means that come out")
    for ax in (left, right):
        ax.axis("off")
    return figure


def _draw_thumbnail(
    ax: Axes, image: Tensor, place: tuple[float, float], side: float, color: str, *, upright: bool = True
) -> None:
    x, y = place
    half = side / 2 if upright else -side / 2  # where y points down, an image's top has the smaller y
    extent = (x - side / 2, x + side / 2, y - half, y + half)
    ax.imshow(image, extent=extent, cmap=INK_MAP, vmin=0, vmax=1, zorder=2, interpolation="nearest")
    frame = {"fill": False, "edgecolor": color, "linewidth": 2 if color == ACCENT else 0.8, "zorder": 3}
    ax.add_patch(Rectangle((x - side / 2, y - side / 2), side, side, **frame))


def _stretched(image: Tensor) -> Tensor:
    """The image's values moved and stretched to reach from 0 to 1."""
    return (image - image.min()) / (image.max() - image.min())


def draw_change(ax: Axes, row: float, before: Sequence[float], after: Sequence[float], *, hero: bool = False) -> None:
    """Draw how the results of several runs change: dots before, crosses after, and an arrow between their means.

    Args:
        ax: Axes to draw into, whose limits are set.
        row: Height of the row; the dots stand 0.15 above, the crosses 0.15 below.
        before: Results before the change, one for each seed.
        after: Results after it.
        hero: Whether to draw in the accent.
    """
    color = ACCENT if hero else PALE
    start, end = sum(map(float, before)) / len(before), sum(map(float, after)) / len(after)
    ax.plot(before, [row - 0.15] * len(before), "o", color=color, markersize=6, markeredgecolor="white")
    ax.plot(after, [row + 0.15] * len(after), "x", color=color, markersize=6)
    if abs(end - start) > 0.5:
        arrow = {"arrowstyle": "-|>", "color": color, "lw": 1.8, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", (end, row), (start, row), arrowprops=arrow)
    text = f"{end - start:+z.1f}".replace("-", "−").replace("+0.0", "0.0")
    color = color if hero else MUTED
    weight = "bold" if hero else "normal"
    ground = {"facecolor": "white", "linewidth": 0, "pad": 2}
    ax.text(ax.get_xlim()[1], row, text, ha="right", va="center", color=color, weight=weight, bbox=ground)


def changes_by_method(
    pictures: dict[str, Tensor],
    before: dict[str, Sequence[float]],
    after: dict[str, Sequence[float]],
    heroes: Sequence[str],
) -> Figure:
    """Two pictures, and how the accuracy of each method changes from one to the other, in percent.

    Args:
        pictures: Title and image (H, W) of each picture.
        before: Results of each method before the change, one for each seed.
        after: Results after it.
        heroes: Methods that are drawn in the accent.
    """
    figure, axes = new_figure(1, len(pictures) + 1, height=3.1, width_ratios=[1] * len(pictures) + [3.2])
    for ax, (title, picture) in zip(axes, pictures.items()):
        draw_image(ax, picture)
        ax.set_title(title, fontsize=10, loc="center")
    ax = axes[-1]
    everything = [float(value) for results in (before, after) for runs in results.values() for value in runs]
    ax.set(xlim=(min(everything) - 1.5, max(everything) + 4), ylim=(len(before) - 0.5, -0.9), yticks=range(len(before)))
    ax.set_yticklabels(before)
    ax.set(xlabel="test accuracy (%): ● before, × after", title="Methods that read patches fall")
    ax.text(ax.get_xlim()[1], -0.62, "change", ha="right", color=MUTED, fontsize=9)
    for row, name in enumerate(before):
        draw_change(ax, row, before[name], after[name], hero=name in heroes)
    return figure
