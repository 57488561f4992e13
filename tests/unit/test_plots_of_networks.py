"""A model's operations, its diagrams, figures with controls, and animations."""

import base64
import copy
import io
import sys
from collections import OrderedDict

import pytest
import torch
import torch.nn.functional as F
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from PIL import Image
from torch import nn

from helpers import ConvNet, plots, trace_layers
from helpers.plots import style


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


def written_in(ax):
    return " ".join(text.get_text().replace("\n", " ") for text in ax.texts if text.get_text())


def test_a_gallery_shows_the_operations_of_each_network():
    figure = plots.architecture_gallery({"a": (Network(), INPUT), "b": (ConvNet(), torch.zeros(1, 1, 28, 28))})
    first, second = figure.axes
    assert [ax.get_title() for ax in (first, second)] == ["a\n162 parameters", "b\n300,426 parameters"]
    assert written_in(first) == "input 7×3 LSTM 7×4 i f g o reshape 7×4 BatchNorm1d 7×4 ReLU mul 7×4 + inner"
    arrows = [text for text in first.texts if getattr(text, "arrow_patch", None)]
    loop, skip = [patch for patch in first.patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == 6 and loop.get_edgecolor() == skip.get_edgecolor() == to_rgba(style.ACCENT)
    heights = {text.get_text().split("\n")[0]: text.get_position()[1] for text in first.texts}
    skipped = skip._path_original.vertices[[0, -1], 1].tolist()  # matplotlib offers the drawn path only
    assert skipped == pytest.approx([heights["reshape"], heights["+"]])
    boxes = [patch for patch in first.patches if isinstance(patch, FancyBboxPatch)]
    assert len(boxes) == 6 and boxes[0].get_width() < boxes[1].get_width() == boxes[-1].get_width()
    fronts = [patch for patch in second.patches if type(patch) is Rectangle]
    assert fronts[0].get_width() / fronts[1].get_width() == pytest.approx(28 / 26)  # to scale, in pixels


def test_a_gallery_shows_where_real_images_enter():
    pair = nn.Sequential(OrderedDict(generator=nn.Sequential(nn.Linear(2, 4), nn.Tanh())))
    pair.add_module("discriminator", nn.Sequential(nn.Linear(4, 1), nn.Sigmoid()))
    (ax,) = plots.architecture_gallery({"pair": (pair, torch.zeros(1, 2))}).axes
    assert written_in(ax) == "input 2 Linear 4 Tanh Linear 1 Sigmoid generator discriminator or real images"


def stages(maps):
    """An image of 6×6 pixels, two maps of 4×4 that read 3×3 pixels each, pooled to 2×2, and three classes."""
    image = torch.zeros(1, 6, 6)
    return [
        plots.Stage("image", image),
        plots.Stage("cn", maps, window=3, parameters=20),
        plots.Stage("pool", F.max_pool2d(maps, 2), window=2, stride=2),
        plots.Stage("fc", torch.tensor([0.7, 0.2, 0.1]), parameters=27),
    ]


def test_a_network_diagram_has_every_map_to_one_scale_and_parameters_as_areas():
    maps = torch.rand(2, 4, 4)
    (ax,) = plots.network_diagram(stages(maps), ["a", "b", "c"]).axes
    drawn = [picture.get_array() for picture in ax.images]
    assert [array.shape for array in drawn] == [(6, 6), (4, 4), (4, 4), (2, 2), (2, 2)]
    assert (drawn[1] == maps[0].numpy()).all() and (drawn[2] == maps[1].numpy()).all()
    for picture, array, scale in zip(ax.images, drawn, [2, 1, 1, 1, 1]):
        left, right, bottom, top = picture.get_extent()
        assert (right - left, bottom - top) == (scale * array.shape[1], scale * array.shape[0])
    written = {text.get_text() for text in ax.texts}
    assert {
        "1×6×6, drawn 2×",
        "cn",
        "2×4×4",
        "pool",
        "2×2×2",
        "fc",
        "3",
        "a",
        "b",
        "c",
        "70 %",
        "57 % of\nall",
    } <= written
    areas = [patch.get_width() ** 2 for patch in ax.patches if color(patch) == to_rgba(style.PARAMETER)]
    assert areas[0] / areas[1] == pytest.approx(20 / 27)


def test_a_network_diagrams_guides_lead_to_the_strongest_pixel_and_back_to_what_it_is_computed_from():
    maps = torch.zeros(2, 4, 4)
    maps[1, 3, 2] = 1
    (ax,) = plots.network_diagram(stages(maps), ["a", "b", "c"]).axes
    corner = dict(zip(("image", "first", "second", "pooled", "pooled second"), map(upper_left, ax.images)))
    frames = [(patch.get_x(), patch.get_y(), patch.get_width()) for patch in ax.patches if accented(patch)]
    places = [("pooled second", 1, 1, 1), ("second", 2, 2, 2), ("second", 3, 2, 1), ("image", 6, 4, 6)]  # image: 2×
    expected = [(corner[name][0] + column, corner[name][1] + row, side) for name, row, column, side in places]
    assert frames == [pytest.approx(frame) for frame in expected]
    guides = [line for line in ax.lines if line.get_color() == style.ACCENT]
    ends = {tuple(line.get_xydata()[-1]) for line in guides}
    assert len(guides) == 4 and ends == {(x + 0.5, y + 0.5) for x, y, side in expected if side == 1}


def test_an_answer_wears_the_accent_only_if_it_is_more_probable_than_all_others_together():
    for probabilities, sure in ([0.7, 0.2, 0.1], True), ([0.4, 0.3, 0.3], False):
        drawn = [*stages(torch.rand(2, 4, 4))[:-1], plots.Stage("fc", torch.tensor(probabilities))]
        (ax,) = plots.network_diagram(drawn, ["a", "b", "c"]).axes
        assert (to_rgba(style.ACCENT) in map(color, ax.patches)) == sure


def color(patch):
    return patch.get_facecolor()


def accented(patch):
    return not patch.get_fill() and patch.get_edgecolor() == to_rgba(style.ACCENT)


def upper_left(picture):
    left, _, _, top = picture.get_extent()
    return left, top


# (a + b)², a = 1, b = 2: what is read, the values, the gradients
SQUARE = {"square": ["sum"], "sum": ["a", "b"], "a": [], "b": []}
VALUES, GRADIENTS = {"a": "1", "b": "2", "sum": "3"}, {("square", "sum"): "6", ("sum", "a"): "7"}


def test_a_graph_has_values_on_arrows_forward_and_gradients_on_arrows_back():
    figure = plots.graph(SQUARE, {node: node.upper() for node in SQUARE}, VALUES, GRADIENTS, parameters="a")
    figure.canvas.draw()
    texts = figure.axes[0].texts
    places = {text.get_text().lower(): text.get_position() for text in texts if text.get_text().lower() in SQUARE}
    names = {place: node for node, place in places.items()}
    arrows = {
        (names[text.xyann], names[text.xy], text.arrow_patch.get_edgecolor())
        for text in texts
        if getattr(text, "arrow_patch", None)
    }
    forward = {(read, node, to_rgba(style.FORWARD)) for node, following in SQUARE.items() for read in following}
    assert arrows == forward | {(node, read, to_rgba(style.GRADIENT)) for node, read in GRADIENTS}
    middles = {text.get_text(): (text.get_position(), text.get_color()) for text in texts}
    for (node, read), gradient in GRADIENTS.items():
        middle = tuple((one + other) / 2 for one, other in zip(places[node], places[read]))
        assert middles[gradient] == (middle, style.GRADIENT) and middles[VALUES[read]] == (middle, style.FORWARD)
    grounds = {text.get_text(): text.get_bbox_patch().get_facecolor() for text in texts if text.get_bbox_patch()}
    assert [node for node, ground in grounds.items() if ground == to_rgba(style.PARAMETER)] == ["A"]


def test_in_a_graph_values_stand_above_their_arrow_and_gradients_below():
    figure = plots.graph({"y": ["x"], "x": []}, {"y": "y", "x": "x"}, {"x": "value"}, {("y", "x"): "gradient"})
    figure.canvas.draw()
    extents = {text.get_text(): text.get_window_extent() for text in figure.axes[0].texts if text.get_text()}
    forward, back = (
        text.xycoords.transform(text.xy)[1] for text in figure.axes[0].texts if getattr(text, "arrow_patch", None)
    )
    assert extents["value"].y0 > forward > back > extents["gradient"].y1


def test_an_animation_is_one_picture_with_all_frames(shown):
    plots.show_animation([line(height) for height in (1, 2, 3)], alt="a line", frames_per_second=5)
    ((data, options),) = shown
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.n_frames == 3 and picture.format == "PNG"
    assert options["metadata"]["image/png"]["alt"] == "a line"
    durations = [(picture.seek(frame), picture.info["duration"])[1] for frame in range(3)]
    assert durations == [200, 200, 4000]  # milliseconds


def test_the_nearly_white_ground_of_an_animation_is_white(shown):
    plots.show_animation([Figure((2, 2), facecolor="#fcf8fb")], alt="a ground")
    picture = Image.open(io.BytesIO(base64.b64decode(shown[0][0]["image/png"])))
    assert picture.convert("RGB").getpixel((9, 9)) == (255, 255, 255)


def test_an_explorer_redraws_the_picture_when_a_control_moves(shown, panels):
    seen = []
    plots.explorer(
        lambda kind, x, code: seen.append((kind, x, code)) or line(x),
        "a line",
        kind=("one", "two"),
        x=(0.0, 2.0, 0.1, 1.0),
        code="y",
    )
    (first, first_options), (controls, _) = shown
    assert first_options["metadata"]["image/png"]["alt"] == "a line"
    assert controls["text/plain"] == "Controls, when run: kind, x, code"
    assert "application/vnd.jupyter.widget-view+json" in controls
    menu, slider, field = panels[0]
    slider.value, menu.value, field.value = 2.0, "two", "z"
    assert seen == [("one", 1.0, "y"), ("one", 2.0, "y"), ("two", 2.0, "y"), ("two", 2.0, "z")]
    second, second_options = shown[2]
    assert second_options["update"] and second_options["display_id"] == first_options["display_id"]
    assert second["image/png"] != first["image/png"]


def test_an_explorer_without_widgets_is_a_picture(shown, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    plots.explorer(line, "a line", height=(0.0, 2.0, 0.1, 1.0))
    ((data, _),) = shown
    assert set(data) == {"image/png", "text/plain"}
