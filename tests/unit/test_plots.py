"""Figures of images, matrices, results and graphs show what they are given, and refuse what they cannot draw."""

import base64
import io

import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from helpers import plots
from helpers.plots import style

DIAMOND = {"sum": ["product", "w"], "product": ["w", "b"], "w": [], "b": []}
ZEROS = torch.zeros(65)

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def tensor(device):
    """Tensors that require gradients, on each device."""
    return lambda numbers: torch.tensor(numbers, device=device, requires_grad=True)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def heights(ax):
    return pytest.approx([bar.get_height() for bar in ax.patches])


def pixels(ax):
    return ax.images[0].get_array().tolist()


def test_a_grid_draws_its_images_on_one_scale(tensor):
    images = tensor([[[1.0, 2]], [[3, -4]], [[5, 6]]])
    axes = plots.image_grid(images, ["a", "b", "c"], columns=2).axes
    assert len(axes) == 4 and [ax.get_title() for ax in axes] == ["a", "b", "c", ""]
    assert [pixels(ax) for ax in axes[:3]] == images.tolist()
    assert {ax.images[0].get_clim() for ax in axes[:3]} == {(-4, 6)}
    *axes, _ = plots.image_grid(images, diverging=True).axes
    assert len(axes) == 3 and {ax.images[0].get_clim() for ax in axes} == {(-6, 6)}


def test_bars_have_their_values_and_labels(tensor):
    for values in (tensor([1234.0, 5.0]), list(tensor([1234.0, 5.0])), [1234, 5]):
        (ax,) = plots.bar_chart(["a", "b"], values, xlabel="letter", ylabel="count").axes
        assert heights(ax) == [1234, 5] and texts(ax) == ["1,234", "5"]
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("letter", "count")


def test_a_loss_curve_has_means_a_band_guessing_and_what_was_measured(tensor):
    losses = tensor([4.0, 2.0, 3.0, 1.0])
    (ax,) = plots.loss_curve(losses, {"test": [3.0, 0.5]}, batch_size=32, classes=10, window=2).axes
    mean, guessing, measured = (line.get_xydata().T.tolist() for line in ax.lines)
    assert mean == [[0, 64, 128], [4, 3, 2]]
    assert measured[0] == pytest.approx([64 - 0.006 * 128, 128]) and measured[1] == [3, 0.5]
    assert guessing[1] == pytest.approx([2.3026] * 2, abs=1e-4)
    corners = {tuple(corner) for corner in ax.collections[0].get_paths()[0].vertices.round(6).tolist()}
    assert corners == {(0, 4), (64, 2.2), (64, 3.8), (128, 1.2), (128, 2.8)}
    assert texts(ax) == [
        "eight of ten of 2 batches",
        "guessing: log 10",
        "test  0.500",
        "training  2.000",
    ]
    assert len(plots.loss_curve(losses, batch_size=32, classes=10).axes[0].lines) == 2


def test_accuracy_against_time_draws_every_epoch_the_means_and_the_way_to_the_target():
    runs = {
        "slow one": [[(10.0, 0.9), (20.0, 0.98)], [(14.4, 0.92)]],
        "slower": [[(50.0, 0.98)]],
        "fast": [[(1.0, 0.99)]],
    }
    plots.use_style()  # titles stand on the left, whichever test came before
    (ax,) = plots.accuracy_against_time(runs, target=0.97, hero="fast").axes
    target, *drawn = (line.get_xydata().round(6).tolist() for line in ax.lines)
    dots, means = drawn[::2], drawn[1::2]
    assert dots == [[[10, 90], [20, 98], [14.4, 92]], [[50, 98]], [[1, 99]]]
    assert means == [[[12, 91]], [[50, 98]], [[1, 99]]] and {y for _, y in target} == {97}
    names, arrow, ratio = ax.texts[:3], ax.texts[3], ax.texts[4]
    assert [text.get_text() for text in names] == ["slow one", "slower", "fast"]
    assert [text.get_color() for text in names] == [style.MUTED, style.MUTED, style.ACCENT]
    assert (arrow.xyann, arrow.xy) == (
        (1, 97),
        (pytest.approx(50), 97),
    ) and ratio.get_text() == "slower takes 50 times as long"
    assert ax.get_title(loc="left") == "Fast reads 97 % of the test images after 1.0 s of training"


def test_a_confusion_matrix_writes_every_count_and_colors_the_mistakes(tensor):
    counts = tensor([[90.0, 2, 0], [0, 80, 5], [1, 0, 70]])
    example = tensor([[-1.0, 0], [1, 3]])
    ax = plots.confusion_matrix(counts, ["x", "y", "z"], {(1, 2): example}).axes[0]
    written = {
        tuple(map(round, text.get_position()[::-1])): float(text.get_text().replace(",", "")) for text in ax.texts
    }
    assert written == {(0, 0): 90, (0, 1): 2, (1, 1): 80, (1, 2): 5, (2, 0): 1, (2, 2): 70}
    (inset,) = ax.child_axes
    assert pixels(inset) == [[0, 0.25], [0.5, 1]] and inset.images[0].get_alpha().tolist() == pixels(inset)
    ax.figure.draw_without_rendering()
    (left, bottom), (right, top) = ax.transData.inverted().transform(inset.get_window_extent())
    assert round((left + right) / 2) == 2 and round((bottom + top) / 2) == 1  # in the pair's cell
    assert pixels(ax) == [[0, 2, 0], [0, 0, 5], [1, 0, 0]] and counts[0, 0] == 90
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["x", "y", "z"]


def test_a_prediction_shows_the_pictures_and_the_probabilities(tensor):
    image, smaller, probabilities = tensor(torch.rand(2, 2, 3).tolist()), tensor([[1.0, 0.0]]), tensor([0.1, 0.7, 0.2])
    figure = plots.digit_steps({"the picture": image, "ink": smaller}, probabilities, ["too small", "too pale"])
    left, middle, bars = figure.axes
    assert [pixels(left), pixels(middle)] == [image.tolist(), smaller.tolist()]
    assert middle.images[0].get_cmap().name == "gray_r"
    assert figure._supxlabel.get_text() == "In doubt: too small; too pale"
    titles = [ax.get_title(loc="center") for ax in (left, middle, bars)]
    assert titles == ["the picture\n2×2", "ink\n1×2", "read as 1\nprobability 70.0 %"]
    assert [bar.get_width() for bar in bars.patches] == pytest.approx([10, 70, 20])
    sides = [ax.get_xlim()[1] - ax.get_xlim()[0] for ax in (left, middle)]
    assert sides == [2, 2]  # both to one scale
    first, best, last = (bar.get_facecolor() for bar in bars.patches)
    assert first == last != best


def test_a_matrix_has_numbers_and_frames_around_cells(tensor):
    _, (left, right) = plots.new_figure(1, 2)
    plots.draw_matrix(left, tensor([[1.0, -2.5]]))
    assert texts(left) == ["1", "−2.5"] and left.images[0].get_clim() == (-4, 4)
    plots.draw_matrix(right, torch.zeros(3, 3), number="", stored=(3, 1))
    assert right.images[0].get_alpha().flatten().tolist() == pytest.approx(3 * [1, 0.3, 0.3])
    plots.highlight_cells(right, row=1, column=0, height=2, width=3)
    (frame,) = right.patches
    assert not texts(right)
    assert (frame.get_xy(), frame.get_height(), frame.get_width()) == ((-0.5, 0.5), 2, 3)


@pytest.mark.parametrize("order", [list(DIAMOND), list(reversed(DIAMOND))])
def test_in_a_graph_the_longest_path_decides_the_column(order):
    figure = plots.graph({node: DIAMOND[node] for node in order}, {node: node.upper() for node in DIAMOND})
    figure.canvas.draw()
    places = {text.get_text().lower(): text.get_position() for text in figure.axes[0].texts if text.get_text()}
    assert {node: column for node, (column, _) in places.items()} == {"sum": 0, "product": -1, "w": -2, "b": -2}
    assert len(set(places.values())) == 4
    arrows = [(text.xyann, text.xy) for text in figure.axes[0].texts if getattr(text, "arrow_patch", None)]
    assert sorted(arrows) == sorted((places[node], places[end]) for node in DIAMOND for end in DIAMOND[node])


def test_figures_are_white_pictures_with_the_style_and_an_alternative_text(shown):
    plots.use_style()
    figure, ax = plots.new_figure(width=4, height=2)
    assert ax.plot([0, 1])[0].get_color() == plots.FORWARD and figure.get_facecolor() == (1, 1, 1, 1)
    plots.show(figure, alt="a line")
    ((data, options),) = shown
    assert data["text/plain"] == "Figure: a line"
    assert options == {"metadata": {"image/png": {"alt": "a line", "width": 384}}, "raw": True}
    assert Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).size == (768, 384)


@pytest.mark.parametrize(
    ("draw", "arguments", "message"),
    [
        (plots.show, (Figure(), " "), "alt is empty"),
        (plots.show_animation, ([Figure()], " "), "alt is empty"),
        (plots.show_animation, ([], "nothing"), "no figures"),
        (plots.image_grid, (torch.zeros(3, 3),), r"at least one image.*\(3, 3\)"),
        (plots.image_grid, (torch.zeros(0, 3, 3),), "at least one image"),
        (plots.image_grid, (torch.zeros(2, 3, 3), ["one"]), "1 titles for 2 images"),
        (plots.draw_matrix, (None, torch.zeros(3)), r"matrix.*\(3,\)"),
        (plots.architecture_gallery, ({},), "at least one model"),
        (lambda models: plots.architecture_gallery(models, columns=0), ({"a": (nn.ReLU(), ZEROS)},), "0 columns"),
        (plots.explorer, (Figure, "a figure"), "no controls"),
        (lambda x: plots.explorer(Figure, "a figure", x=x), ((0, 1),), "x must be"),
        (lambda x: plots.explorer(Figure, "a figure", x=x), (3,), "x must be"),
        (plots.graph, ({}, {}), "without nodes"),
        (plots.graph, ({"a": ["b"]}, {"a": "a"}), "no node of the graph"),
        (plots.graph, ({"a": []}, {}), "without a label"),
        (plots.graph, ({"a": ["b"], "b": ["a"]}, {"a": "a", "b": "b"}), "circle"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, arguments, message):
    with pytest.raises(ValueError, match=message):
        draw(*arguments)
