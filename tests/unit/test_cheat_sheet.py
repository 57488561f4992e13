"""The printable page describes the layers, functions, paths and tensors that it is given."""

import io

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers import plots

PATHS = {"first": torch.rand(5, 2, requires_grad=True), "second": torch.rand(9, 2)}


@pytest.fixture(scope="module")
def parts():
    x = torch.arange(6).view(2, 3)
    layers = {"Linear": (nn.Linear(4, 3), torch.rand(2, 4), "$y$"), "GRU": (nn.GRU(4, 5), torch.rand(7, 4), "$h$")}
    optimizers = {name: (path, f"update of {name}") for name, path in PATHS.items()}
    views = {"x": x, "x.T": x.T, "x[1]": x[1], "x[:, 1]": x[:, 1]}
    activations = {"ReLU": F.relu, "tanh": torch.tanh}
    figure = plots.cheat_sheet(layers, activations, optimizers, lambda beta: (beta**2).sum(dim=0), views)
    figure.savefig(io.BytesIO(), format="pdf")  # as for the printer
    assert tuple(figure.get_size_inches()) == (8.27, 11.69)
    return [subfigure.axes for subfigure in figure.subfigs]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_layers_have_their_shapes_and_numbers_of_parameters(parts):
    assert texts(parts[0][0])[4:8] == ["Linear", "$y$", "2×4 → 2×3", "15"]
    assert texts(parts[0][0])[8:] == ["GRU", "$h$", "7×4 → 7×5", "165"]  # 3·(4·5 + 5·5 + 2·5)


def test_functions_have_their_derivatives(parts):
    relu, tanh = ([torch.tensor(line.get_ydata()) for line in ax.lines] for ax in parts[1])
    x = torch.linspace(-4, 4, 401)
    torch.testing.assert_close(relu[0], x.clamp(min=0))
    torch.testing.assert_close(tanh, [x.tanh(), 1 - x.tanh() ** 2])
    jump = relu[1].isnan()
    assert jump.sum() == 1 and torch.equal(relu[1][~jump], (x > 0)[~jump].float())


def test_paths_stand_beside_their_updates(parts):
    for picture, words, (name, path) in zip(parts[2][::2], parts[2][1::2], PATHS.items(), strict=True):
        torch.testing.assert_close(torch.tensor(picture.lines[0].get_xydata()).float(), path.detach())
        assert texts(words) == [name, f"update of {name}"]


def test_views_stand_below_their_storage(parts):
    (ax,) = parts[3]
    places = {box.get_gid(): box.get_x() for box in ax.patches if box.get_gid()}
    assert [places[f"x.T {i},{j}"] for i in range(3) for j in range(2)] == [0, 3, 1, 4, 2, 5]
