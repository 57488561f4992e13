"""A model's operations, its diagrams, figures with controls, and animations."""

import base64
import copy
import io
import sys

import torch
from PIL import Image
from torch import nn

from helpers import ConvNet, plots, trace_layers


class Network(nn.Module):
    """A recurrent layer, and an addition past two layers with names."""

    def __init__(self):
        super().__init__()
        self.memory = nn.LSTM(3, 4, batch_first=True)
        self.inner = nn.Sequential(nn.BatchNorm1d(7), nn.ReLU())
        self.factor = nn.Parameter(torch.ones(4))

    def forward(self, x):
        states, _ = self.memory(x)
        states = states.reshape(x.size(0), -1, 4)
        return states + self.inner(states) * self.factor


INPUT = torch.rand(2, 7, 3)


def line(height=1.0):
    figure, ax = plots.new_figure(width=2, height=1.5)
    ax.plot([0, height])
    ax.set_title(f"{height:.1f}")
    return figure


def test_a_trace_has_every_operation_and_leaves_the_model_as_it_is():
    model = Network()
    before = copy.deepcopy(model.state_dict())
    layers = trace_layers(model, INPUT)
    assert [layer.name for layer in layers] == ["x", "memory", "reshape", "inner.0", "inner.1", "mul", "add"]
    assert [layer.sources for layer in layers] == [(), (0,), (1,), (2,), (3,), (4,), (2, 5)]
    assert [layer.module for layer in layers] == [None, model.memory, None, *model.inner, None, None]
    assert [layer.shape for layer in layers] == [(7, 3)] + 6 * [(7, 4)]
    assert [layer.parameters for layer in layers] == [0, 4 * 4 * (3 + 4 + 2), 0, 14, 0, 0, 0]
    assert model.training
    torch.testing.assert_close(model.state_dict(), before)


def test_a_gallery_shows_the_operations_of_each_network():
    figure = plots.architecture_gallery({"a": (Network(), INPUT), "b": (ConvNet(), torch.zeros(1, 1, 28, 28))})
    first, second = figure.axes
    assert [ax.get_title() for ax in (first, second)] == ["a\n162 parameters", "b\n300,426 parameters"]
    written = " ".join(text.get_text().replace("\n", " ") for text in first.texts if text.get_text())
    assert written == "input 7×3 LSTM 7×4 ↻ reshape 7×4 BatchNorm1d 7×4 ReLU 7×4 mul 7×4 + 7×4 inner"
    arrows = [(text.xyann[1], text.xy[1]) for text in first.texts if getattr(text, "arrow_patch", None)]
    assert [(round(start), round(tip)) for start, tip in arrows if tip - start > 1] == [(2, 6)]
    assert len(arrows) == 7
    assert first.patches[0].get_width() < first.patches[1].get_width() == first.patches[-1].get_width()
    kinds = [text.get_text() for text in figure.legends[0].get_texts()]
    assert kinds == ["fully connected", "convolution", "recurrent", "activation", "sum", "other"]


def test_a_layer_diagram_names_every_operation_shape_and_parameter_count():
    (ax,) = plots.layer_diagram(trace_layers(ConvNet(), torch.zeros(1, 1, 28, 28)), "ConvNet").axes
    shapes = ["1×28×28", "16×26×26", "32×24×24", "32×12×12", "4608", "64", "10"]
    operations = ["cn1\nrelu", "cn2\nrelu", "max_pool2d\ndp1", "flatten", "fc1\nrelu\ndp2", "fc2\nlog_softmax"]
    parameters = ["160", "4,640", "294,976", "650"]
    written = [text.get_text() for text in ax.texts if text.get_text()]
    assert sorted(written) == sorted(shapes + operations + parameters)
    heights = [block.get_height() for block in ax.patches]
    assert len(heights) == 7 and heights[0] > heights[1] > heights[2] > heights[3]  # 28, 26, 24, 12 pixels
    assert heights[4] > heights[5] > heights[6]


def test_an_animation_is_one_picture_with_all_frames(shown):
    plots.show_animation([line(height) for height in (1, 2, 3)], alt="a line", frames_per_second=5)
    ((data, options),) = shown
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.n_frames == 3 and picture.format == "PNG"
    assert options["metadata"]["image/png"]["alt"] == "a line"
    durations = [(picture.seek(frame), picture.info["duration"])[1] for frame in range(3)]
    assert durations == [200, 200, 2000]  # milliseconds


def test_an_explorer_redraws_the_picture_when_a_control_moves(shown, panels):
    seen = []
    plots.explorer(
        lambda kind, x: seen.append((kind, x)) or line(x), "a line", kind=("one", "two"), x=(0.0, 2.0, 0.1, 1.0)
    )
    (first, first_options), (controls, _) = shown
    assert first_options["metadata"]["image/png"]["alt"] == "a line"
    assert controls["text/plain"] == "Controls, when run: kind, x"
    assert "application/vnd.jupyter.widget-view+json" in controls
    menu, slider = panels[0]
    slider.value, menu.value = 2.0, "two"
    assert seen == [("one", 1.0), ("one", 2.0), ("two", 2.0)]
    second, second_options = shown[2]
    assert second_options["update"] and second_options["display_id"] == first_options["display_id"]
    assert second["image/png"] != first["image/png"]


def test_an_explorer_without_widgets_is_a_picture(shown, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    plots.explorer(line, "a line", height=(0.0, 2.0, 0.1, 1.0))
    ((data, _),) = shown
    assert set(data) == {"image/png", "text/plain"}
