"""What the storage drawing shows equals what the tensor reads, for random dtypes, shapes, strides and offsets."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import plots

DTYPES = [
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int8,
    torch.uint8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.bool,
    torch.complex64,
]


@st.composite
def strided_tensors(draw):
    """Any view that fits: as_strided over a storage of random numbers, overlaps and gaps included."""
    dtype = draw(st.sampled_from(DTYPES))
    size = draw(st.lists(st.integers(0, 4), max_size=3))
    stride = draw(st.lists(st.integers(0, 5), min_size=len(size), max_size=len(size)))
    offset = draw(st.integers(0, 5))
    reach = sum((n - 1) * step for n, step in zip(size, stride)) if all(size) else 0
    cells = offset + reach + 1 + draw(st.integers(0, 3))
    lowest = 0 if dtype in (torch.uint8, torch.bool) else -99
    numbers = draw(st.lists(st.integers(lowest, 99), min_size=cells, max_size=cells))
    return torch.tensor(numbers).to(dtype).as_strided(size, stride, offset)


def as_written(value):
    if isinstance(value, bool):
        return "T" if value else "F"
    return str(value) if isinstance(value, int) else format(value, ".3g")


def assert_shows(ax, tensor):
    """The panel has one arrow per element, in order, and each carries the value and the place that the tensor has."""
    indices = list(itertools.product(*map(range, tensor.shape)))
    shown = plots.storage_arrows(ax)
    assert list(shown) == indices
    for index in indices:
        element = tensor[index]
        value = as_written(element.item())
        assert shown[index] == (element.storage_offset(), value, value)


@settings(max_examples=50, deadline=None)
@given(strided_tensors())
def test_shows_what_any_strided_tensor_reads(tensor):
    figure = plots.storage(tensor)
    assert_shows(figure.axes[0], tensor)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.data())
def test_shows_what_common_views_read(size, data):
    tensor = torch.arange(torch.Size(size).numel()).view(size)
    if tensor.numel() > 32:
        return
    order = data.draw(st.permutations(range(tensor.ndim)))
    dim = data.draw(st.integers(0, tensor.ndim - 1))
    start = data.draw(st.integers(0, size[dim] - 1))
    views = [
        tensor.permute(order),
        tensor.select(dim, start),
        tensor.narrow(dim, start, size[dim] - start),
        tensor.flip(dim),
        tensor.unsqueeze(0).expand(2, *size),
    ]
    figure = plots.storage(*views, columns=2)
    assert len(figure.axes) == len(views)
    for ax, view in zip(figure.axes, views):
        assert_shows(ax, view)


def test_shows_channels_last():
    image = torch.arange(24.0).view(2, 3, 2, 2).to(memory_format=torch.channels_last)
    assert_shows(plots.storage(image).axes[0], image)


def test_shows_the_bytes_of_another_dtype():
    as_bytes = torch.tensor([1, 258], dtype=torch.int16).view(torch.uint8)
    assert_shows(plots.storage(as_bytes).axes[0], as_bytes)


def test_shows_a_tensor_that_requires_gradients():
    weights = torch.tensor([1.5, 2.5], requires_grad=True)
    assert_shows(plots.storage(weights).axes[0], weights)


def test_shows_infinity_and_nan():
    odd = torch.tensor([float("inf"), float("nan"), 1e10])
    assert_shows(plots.storage(odd).axes[0], odd)


def test_marks_the_cells_that_are_read():
    figure = plots.storage(torch.arange(6.0)[1::2])
    cells = [box for box in figure.axes[0].patches if box.get_y() == 0]
    read = [number for number, box in enumerate(cells) if box.get_facecolor()[:3] != (1, 1, 1)]
    assert read == [1, 3, 5]


def test_titles_say_what_the_tensor_says():
    figure = plots.storage(torch.zeros(2, 3, dtype=torch.int16).t()[1:], titles=["view"])
    assert figure.axes[0].get_title(loc="left") == "view\nsize (2, 2), stride (1, 3), offset 1, int16"


@settings(max_examples=10, deadline=None)
@given(strided_tensors())
def test_the_largest_figure_fits_a_page(tensor):
    figure = plots.storage(tensor, tensor, columns=2)
    assert figure.get_figwidth() <= 9
    for ax in figure.axes:
        low, high = ax.get_xlim()
        assert all(low < box.get_x() and box.get_x() + 1 < high for box in ax.patches)


@pytest.mark.parametrize(
    "tensors, options",
    [
        ([], {}),
        ([torch.zeros(2)], {"titles": ["a", "b"]}),
        ([torch.zeros(2)], {"columns": 0}),
        ([torch.zeros(65)], {}),
        ([torch.zeros(65)[:2]], {}),
        ([torch.zeros(1).expand(65)], {}),
        ([torch.zeros(2, device="meta")], {}),
        ([torch.eye(2).to_sparse()], {}),
        ([torch.zeros(2, dtype=torch.complex64).conj()], {}),
    ],
    ids=["none", "titles", "columns", "elements", "cells", "expanded", "meta", "sparse", "conjugate"],
)
def test_refuses_what_it_cannot_draw(tensors, options):
    with pytest.raises(ValueError):
        plots.storage(*tensors, **options)
