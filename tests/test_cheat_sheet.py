"""The printable page says what the layers, functions, paths and tensors that it is given are."""

import io

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers import plots
from helpers.plots import storage_arrows
from helpers.plots.storage import draw_storage

PATHS = {"first": torch.rand(5, 2), "second": torch.rand(9, 2)}


@pytest.fixture(scope="module")
def parts():
    x = torch.arange(6).view(2, 3)
    figure = plots.cheat_sheet(
        {
            "Linear(4, 3)": (nn.Linear(4, 3), torch.rand(2, 4), "$y$"),
            "GRU(4, 5)": (nn.GRU(4, 5), torch.rand(7, 4), "$h$"),
        },
        {"ReLU": F.relu, "tanh": torch.tanh},
        {name: (path, f"update of {name}") for name, path in PATHS.items()},
        lambda beta: (beta**2).sum(dim=0),
        {"x": x, "x.T": x.T, "x[1]": x[1], "x[:, 1]": x[:, 1]},
    )
    figure.savefig(io.BytesIO(), format="pdf")  # as it is printed
    assert tuple(figure.get_size_inches()) == (8.27, 11.69)
    return [subfigure.axes for subfigure in figure.subfigs]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_layers_with_their_sizes_and_numbers_of_parameters(parts):
    (table,) = parts[0]
    assert texts(table)[4:8] == ["Linear(4, 3)", "$y$", "2×4 → 2×3", "15"]
    assert texts(table)[8:] == ["GRU(4, 5)", "$h$", "7×4 → 7×5", "165"]  # 3·(4·5 + 5·5 + 2·5)


def test_functions_with_their_derivatives(parts):
    for ax, (function, derivative) in zip(
        parts[1], ((F.relu, lambda x: (x > 0) * 1.0), (torch.tanh, lambda x: 1 - torch.tanh(x) ** 2))
    ):
        value, slope = ax.lines
        x = torch.tensor(value.get_xdata())
        torch.testing.assert_close(torch.tensor(value.get_ydata()), function(x))
        drawn = torch.tensor(slope.get_ydata())
        assert drawn.isnan().sum() <= 1  # where it jumps
        torch.testing.assert_close(drawn.nan_to_num(0), derivative(x).where(~drawn.isnan(), 0))


def test_paths_beside_their_updates(parts):
    for picture, words, (name, path) in zip(parts[2][::2], parts[2][1::2], PATHS.items()):
        torch.testing.assert_close(torch.tensor(picture.lines[0].get_xydata()).float(), path)
        assert texts(words) == [name, f"update of {name}"]


def test_views_above_their_storage(parts):
    assert len(parts[3]) == 4
    for index, (cell, element, stored) in storage_arrows(parts[3][1]).items():
        assert cell == index[0] + 3 * index[1] and element == stored == str(cell)


def test_a_panel_alone_refuses_what_a_figure_refuses():
    _, ax = plots.new_figure()
    with pytest.raises(ValueError, match="at most 64"):
        draw_storage(ax, torch.zeros(65), "too large", width=3)
