"""The drawings of layers show the values that they are given."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from matplotlib.colors import to_rgba
from matplotlib.patches import Circle, Polygon, Rectangle

from helpers import plots
from helpers.plots import layers, style


def shapes(ax, kind):
    return [patch for patch in ax.patches if type(patch) is kind]


def titles(figure):
    return [ax.get_title(loc) for ax in figure.axes for loc in ("left", "center") if ax.get_title(loc)]


def test_wires_are_as_thick_as_the_weights_and_a_weight_of_zero_has_none():
    _, ax = plots.new_figure()
    weights, biases = torch.tensor([[2.0, -1.0], [0.0, 0.5]]), torch.tensor([-1.0, 0.0])
    layers.draw_wires(ax, torch.tensor([1.0, 2.0]), weights, biases, torch.tensor([0.0, 1.0]))
    assert [line.get_linewidth() for line in ax.lines] == [4, 2, 0, 1]
    assert [line.get_color() for line in ax.lines][:2] == [style.PARAMETER, style.NEGATIVE]
    assert len(shapes(ax, Circle)) == 4 and [text.get_text() for text in ax.texts] == ["1", "2", "0", "1", "−1", ""]
    with pytest.raises(ValueError, match="need weights"):
        layers.draw_wires(ax, torch.zeros(2), torch.zeros(2, 3), torch.zeros(2), torch.zeros(2))


@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"padding": 1}, {"dilation": 2}, {"stride": 3, "padding": 2}])
def test_outputs_are_as_many_as_the_library_makes(options):
    _, ax = plots.new_figure()
    count = layers.draw_reads(ax, 8, 3, **options)
    assert count == F.conv1d(torch.zeros(1, 1, 8), torch.zeros(1, 1, 3), **options).shape[-1]
    assert len(ax.lines) == 3 * count
    assert len(shapes(ax, Rectangle)) == count + 8 + 2 * options.get("padding", 0)


def test_a_pyramid_shows_what_a_pixel_depends_on():
    image = torch.rand(9, 9, requires_grad=True)
    maps = [image, F.avg_pool2d(image[None], 3, stride=1)[0]]
    maps.append(F.avg_pool2d(maps[1][None], 3, stride=2)[0])
    maps[-1][1, 2].backward()
    figure = layers.receptive_pyramid([m.detach() for m in maps], [3, 3], [1, 2], (1, 2), image.grad)
    left, right = figure.axes
    assert titles(figure)[0] == "One output sees 5×5 pixels"
    assert len(shapes(left, Polygon)) == 6 and len(left.lines) == 2 * 4
    (frame,) = shapes(right, Rectangle)
    rows, columns = image.grad.nonzero().T
    assert frame.get_xy() == (columns.min() - 0.5, rows.min() - 0.5)
    assert frame.get_width() == columns.max() - columns.min() + 1 == 5
    with pytest.raises(ValueError, match="need 1 kernels"):
        layers.receptive_pyramid(maps[:2], [3, 3], [1, 1], (0, 0), image.grad)


def test_a_kernel_slides_over_every_place_and_the_map_grows():
    image, kernel = torch.rand(4, 5), torch.tensor([[1.0, 0.0], [0.0, -1.0]])
    expected = F.conv2d(image[None, None], kernel[None, None])[0, 0]
    film = layers.sliding_kernel(image, kernel, 1)
    for figure in itertools.islice(film, 4):  # at first, the whole map
        torch.testing.assert_close(torch.as_tensor(figure.axes[2].images[0].get_array()), expected)
    count = 0
    for figure in film:
        row, column = divmod(count, 4)
        count += 1
        assert shapes(figure.axes[0], Rectangle)[0].get_xy() == (column - 0.5, row - 0.5)
        assert titles(figure)[2].endswith(f"{expected[row, column].abs():.2f}")
        shown = torch.as_tensor(figure.axes[2].images[0].get_array())
        torch.testing.assert_close(shown.flatten()[:count], expected.flatten()[:count])
        assert not shown.flatten()[count:].any()
    assert count == 12


def test_a_patch_times_a_kernel_is_the_pixel_that_is_framed():
    image, kernel = torch.rand(5, 5), torch.ones(3, 3)
    feature_map = F.conv2d(image[None, None], kernel[None, None])[0, 0]
    figure = layers.patch_times_kernel(image, kernel, feature_map, (1, 2))
    assert figure.axes[3].get_xlabel() == f"sum = {feature_map[1, 2]:.2f}"
    assert shapes(figure.axes[4], Rectangle)[0].get_xy() == (1.5, 0.5)
    assert len(figure.artists) == 4


def test_parts_of_channels_add_up():
    parts = torch.randn(2, 3, 4, 4)
    figure = layers.channel_sums(torch.rand(3, 6, 6), torch.randn(2, 3, 3, 3), parts, "abc", ["one", "two"])
    drawn = {ax.get_title("center"): ax for ax in figure.axes}
    for number in (1, 2):
        shown = torch.as_tensor(drawn[f"output {number}"].images[0].get_array())
        torch.testing.assert_close(shown, parts[number - 1].sum(dim=0))


def test_hidden_states_are_filled_by_strength():
    _, ax = plots.new_figure()
    layers.draw_unrolled(ax, [1, 0.5, 0])
    grounds = [text.get_bbox_patch().get_facecolor() for text in ax.texts if text.get_bbox_patch()]
    assert grounds[0][1] < grounds[1][1] < grounds[2][1] == 1


def test_an_lstm_is_shaded_while_it_keeps_what_was_written():
    inputs, write, keep = torch.zeros(5), torch.tensor([0, 1.0, 0, 0, 0]), torch.tensor([1, 1, 1, 0.0, 1])
    figure = layers.gate_story(inputs, write, keep, 0.5 * write)
    assert [text.get_text() for text in figure.axes[3].texts] == ["0.50, kept 2 steps"]
    shade = [
        patch for patch in shapes(figure.axes[3], Rectangle) if patch.get_facecolor() == to_rgba(style.COPY_GROUND)
    ]
    assert [(patch.get_x(), patch.get_width()) for patch in shade] == [(1.5, 2)]


def test_lines_of_attention_are_as_thick_as_the_weights():
    weights = torch.tensor([[0.5, 0.25, 0.25], [0, 1.0, 0], [0.1, 0.1, 0.8]])
    figure = layers.image_attention(torch.rand(3, 4, 4), torch.rand(3, 4, 4), weights, asking=2)
    left, right = figure.axes
    assert [line.get_linewidth() for line in left.lines] == pytest.approx([2, 2])
    assert [text.get_text() for text in left.texts] == ["10 %", "10 %", "80 %"]
    assert (torch.as_tensor(right.images[0].get_array()) == weights).all()
    assert [text.get_text() for text in right.texts] == ["50", "25", "25", "100", "10", "10", "80", "result"]


def test_a_change_is_written_and_drawn_from_mean_to_mean():
    _, ax = plots.new_figure()
    ax.set(xlim=(0, 10))
    layers.draw_change(ax, 1, [4.0, 6.0], [2.0, 3.0], hero=True)
    layers.draw_change(ax, 2, [4.0], [4.01])
    arrow, text, still = ax.texts  # without a change, there is no arrow
    assert (arrow.xyann, arrow.xy) == ((5, 1), (2.5, 1))
    assert (text.get_text(), text.get_color(), still.get_text()) == ("−2.5", style.ACCENT, "0.0")


def test_each_method_has_a_row_and_the_heroes_wear_the_accent():
    before, after = {"a": [90.0, 91.0], "b": [90.0, 90.0]}, {"a": [80.0, 81.0], "b": [90.0, 90.0]}
    figure = layers.changes_by_method({"one": torch.eye(3), "two": torch.eye(3)}, before, after, ["a"])
    ax = figure.axes[-1]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert [text.get_text() for text in ax.texts if text.get_text()] == ["change", "−10.0", "0.0"]
    assert [line.get_color() for line in ax.lines] == [style.ACCENT] * 2 + [style.PALE] * 2
