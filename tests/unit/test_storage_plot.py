"""The drawing of a storage shows what the tensor reads, for random dtypes, shapes, strides and offsets."""

import itertools
import random

import torch

from helpers import plots

DTYPES = [torch.float32, torch.bfloat16, torch.uint8, torch.int16, torch.int64, torch.bool, torch.complex64]


def random_tensor(rng):
    """Any view that fits: overlaps and gaps included."""
    size = rng.choices(range(5), k=rng.randint(0, 3))
    stride, offset = rng.choices(range(6), k=len(size)), rng.randint(0, 5)
    reach = sum((n - 1) * step for n, step in zip(size, stride)) if all(size) else 0
    numbers = [rng.randint(0, 99) for _ in range(offset + reach + 1 + rng.randint(0, 3))]
    return torch.tensor(numbers).to(rng.choice(DTYPES)).as_strided(size, stride, offset)


def as_written(value):
    if isinstance(value, bool):
        return "T" if value else "F"
    return str(value) if isinstance(value, int) else format(value, ".3g")


def assert_shows(ax, tensor):
    """The panel has one arrow per element, in order, and each carries the value and the place that the tensor has."""
    shown = plots.storage_arrows(ax)
    assert list(shown) == list(itertools.product(*map(range, tensor.shape)))
    for index, (cell, element, stored) in shown.items():
        assert cell == tensor[index].storage_offset()
        assert element == stored == as_written(tensor[index].item())
    low, high = ax.get_xlim()
    assert all(low < box.get_x() and box.get_x() + 1 < high for box in ax.patches)


def test_it_shows_what_any_tensor_reads_and_fits_a_page():
    rng = random.Random(0)
    for number in range(18):
        tensors = [random_tensor(rng) for _ in range(number % 3 + 1)]
        figure = plots.storage_diagram(*tensors, columns=number // 6 + 1)
        assert figure.get_figwidth() <= 9 and len(figure.axes) == len(tensors)
        for ax, tensor in zip(figure.axes, tensors):
            assert_shows(ax, tensor)


def test_it_shows_bytes_gradients_and_numbers_that_are_not_finite():
    as_bytes = torch.tensor([1, 258], dtype=torch.int16).view(torch.uint8)
    odd = torch.tensor([[torch.inf, torch.nan, -1e10]], requires_grad=True)
    tensors = as_bytes, odd, odd.to(torch.float16).T
    for ax, tensor in zip(plots.storage_diagram(*tensors).axes, tensors):
        assert_shows(ax, tensor)


def test_it_marks_the_cells_that_are_read_and_describes_the_tensor():
    view = torch.arange(6, dtype=torch.int16)[1::2]
    (ax,) = plots.storage_diagram(view, titles=["view"]).axes
    cells = [box for box in ax.patches if box.get_y() == 0]
    assert [number for number, box in enumerate(cells) if box.get_facecolor() != (1, 1, 1, 1)] == [1, 3, 5]
    assert ax.get_title(loc="left") == "view\nsize (3,), stride (2,), offset 1, int16"
