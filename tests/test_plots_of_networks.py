"""The gallery of architectures, the matrix drawing, the explorers and the animation."""

import base64
import io
import sys

import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from helpers import plots
from helpers.plots.architectures import trace_boxes


class Doubled(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU())

    def forward(self, x):
        return x + self.inner(x)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory = nn.LSTM(3, 5, batch_first=True)

    def forward(self, x):
        states, _ = self.memory(x)
        return states


def line(height=1.0):
    figure, ax = plots.new_figure(width=2, height=1.5)
    ax.plot([0, height])
    ax.set_title(f"{height:.1f}")
    return figure


def test_boxes_follow_the_computation():
    boxes = trace_boxes(Doubled(), torch.zeros(2, 4))
    assert [box.name for box in boxes] == ["input", "Linear", "ReLU", "+"]
    assert [box.kind for box in boxes] == ["other", "fully connected", "activation", "sum"]
    assert boxes[3].sources == (0, 2) and boxes[3].shape == (4,)
    assert [box.part for box in boxes] == ["", "inner", "inner", ""]


def test_boxes_show_a_recurrent_layers_output():
    boxes = trace_boxes(Recurrent(), torch.zeros(1, 7, 3))
    assert [(box.name, box.kind, box.shape) for box in boxes[1:]] == [("LSTM", "recurrent", (7, 5))]


def test_a_gallery_titles_each_model_with_its_parameters():
    figure = plots.architecture_gallery(
        {"a": (nn.Linear(2, 3), torch.zeros(1, 2)), "b": (Doubled(), torch.zeros(1, 4))}
    )
    assert [ax.get_title(loc="center") for ax in figure.axes] == ["a\n9 parameters", "b\n20 parameters"]


@pytest.mark.parametrize(("models", "columns"), [({}, 5), ({"a": (nn.ReLU(), torch.zeros(1, 2))}, 0)])
def test_a_gallery_refuses_nothing_to_draw(models, columns):
    with pytest.raises(ValueError, match="at least one"):
        plots.architecture_gallery(models, columns=columns)


def test_a_matrix_is_drawn_with_its_numbers():
    _, ax = plots.new_figure()
    plots.draw_matrix(ax, torch.tensor([[1.0, -2.5]]), "m")
    assert [text.get_text() for text in ax.texts] == ["1", "-2.5"]
    with pytest.raises(ValueError, match="matrix"):
        plots.draw_matrix(ax, torch.zeros(3))


def test_an_animation_is_one_picture_with_all_frames(shown):
    plots.show_animation([line(height) for height in (1, 2, 3)], alt="a line", frames_per_second=5)
    ((data, options),) = shown
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.n_frames == 3 and picture.format == "PNG"
    assert options["metadata"]["image/png"]["alt"] == "a line"


def test_an_animation_refuses_nothing_and_no_text():
    with pytest.raises(ValueError, match="no figures"):
        plots.show_animation([], "nothing")
    with pytest.raises(ValueError, match="alt is empty"):
        plots.show_animation([plots.new_figure()[0]], " ")


def test_an_explorer_has_controls_and_a_still_picture(shown):
    seen = []

    def draw(kind, x):
        seen.append((kind, x))
        return line(x)

    plots.explorer(draw, "a line", kind=("one", "two"), x=(0.0, 2.0, 0.1, 1.0))
    (picture, options), (controls, _) = shown
    assert seen == [("one", 1.0)]
    assert "image/png" in picture and options["metadata"]["image/png"]["alt"] == "a line"
    assert "application/vnd.jupyter.widget-view+json" in controls
    assert controls["text/plain"] == "Controls, when run: kind, x"


def test_an_explorer_without_widgets_is_a_picture(shown, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    plots.explorer(lambda x: line(x), "a line", x=(0.0, 2.0, 0.1, 1.0))
    ((data, _),) = shown
    assert set(data) == {"image/png", "text/plain"}


@pytest.mark.parametrize(
    ("controls", "message"), [({}, "no controls"), ({"x": (0, 1)}, "x must be"), ({"x": 3}, "x must be")]
)
def test_an_explorer_refuses_other_controls(controls, message):
    with pytest.raises(ValueError, match=message):
        plots.explorer(lambda **_: Figure(), "a", **controls)


def test_moving_a_control_redraws_the_picture(shown, panels):
    plots.explorer(lambda x: line(x), "a line", x=(0.0, 2.0, 0.1, 1.0))
    (slider,) = panels[0]
    slider.value = 2.0
    (first, first_options), _, (second, second_options) = shown
    assert second_options["update"] and second_options["display_id"] == first_options["display_id"]
    assert second["image/png"] != first["image/png"]
