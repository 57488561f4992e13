import base64
import io

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from helpers import ConvNet, model_stages, plots


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_image_grid_draws_the_images_on_one_scale():
    images = torch.rand(7, 5, 4)
    figure = plots.image_grid(images, [f"no. {index}" for index in range(7)], columns=4)
    drawn = [ax for ax in figure.axes if ax.images]
    assert len(figure.axes) == 8 and len(drawn) == 7
    for index, ax in enumerate(drawn):
        np.testing.assert_array_equal(ax.images[0].get_array(), images[index].numpy())
        assert ax.images[0].get_clim() == pytest.approx((images.min().item(), images.max().item()))
        assert ax.get_title() == f"no. {index}"


def test_a_diverging_grid_is_symmetric_about_zero_and_has_a_colour_bar():
    weights = torch.linspace(-3, 1, 18).view(2, 3, 3)
    figure = plots.image_grid(weights, diverging=True)
    assert len(figure.axes) == 3
    assert figure.axes[0].images[0].get_clim() == (-3, 3)


@pytest.mark.parametrize(
    ("shape", "titles"), [((3, 3), None), ((0, 3, 3), None), ((2, 1, 3, 3), None), ((2, 3, 3), ["1"])]
)
def test_image_grid_rejects_what_it_cannot_draw(shape, titles):
    with pytest.raises(ValueError, match=r"expected at least one image|one title per image"):
        plots.image_grid(torch.zeros(shape), titles)


def test_bars_have_their_values_and_labels():
    (ax,) = plots.bars(["a", "b"], [1234, 5], xlabel="letter", ylabel="count").axes
    assert [bar.get_height() for bar in ax.patches] == [1234, 5]
    assert texts(ax) == ["1,234", "5"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("letter", "count")


def test_loss_curve_draws_losses_and_their_running_mean():
    losses = [4.0, 2.0, 3.0, 1.0]
    (ax,) = plots.loss_curve({"run": losses}, batch_size=32, window=2).axes
    smooth, raw = ax.lines
    assert list(raw.get_xdata()) == [32, 64, 96, 128]
    assert list(raw.get_ydata()) == losses
    assert list(smooth.get_ydata()) == [4.0, 3.0, 2.5, 2.0]
    assert ax.get_yscale() == "log"
    assert ax.get_xlabel() == "training images seen" and ax.get_ylabel() == "loss (nats per image)"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["run"]


def test_loss_curve_of_fewer_losses_than_the_window():
    (ax,) = plots.loss_curve({"run": [2.0, 4.0]}, window=50).axes
    assert list(ax.lines[0].get_ydata()) == [2.0, 3.0]


def test_accuracy_against_time_draws_every_epoch_and_the_means():
    runs = {"slow": [[(10.0, 0.9), (20.0, 0.98)], [(14.0, 0.92)]], "fast": [[(1.0, 0.99)]]}
    (ax,) = plots.accuracy_against_time(runs, target=0.97).axes
    target, first, second, slow_means, fast, fast_means = ax.lines
    assert list(target.get_ydata()) == [97, 97]
    assert list(first.get_xdata()) == [10, 20] and list(first.get_ydata()) == pytest.approx([90, 98])
    assert list(second.get_xdata()) == [14] and list(fast.get_ydata()) == pytest.approx([99])
    assert list(slow_means.get_xdata()) == pytest.approx([12]) and list(slow_means.get_ydata()) == pytest.approx([91])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["97 %", "slow", "fast"]
    assert fast_means.get_color() == fast.get_color() != first.get_color() == slow_means.get_color()
    assert ax.get_xscale() == "log"


def test_confusion_matrix_writes_every_count_and_colours_the_mistakes():
    counts = torch.tensor([[90, 2, 0], [0, 80, 5], [1, 0, 70]])
    figure = plots.confusion_matrix(counts, ["x", "y", "z"])
    ax = figure.axes[0]
    written = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in ax.texts}
    assert written == {(0, 0): "90", (0, 1): "2", (1, 1): "80", (1, 2): "5", (2, 0): "1", (2, 2): "70"}
    assert ax.images[0].get_array().tolist() == [[0, 2, 0], [0, 0, 5], [1, 0, 0]]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["x", "y", "z"]
    assert counts[0, 0] == 90  # the caller's tensor is untouched


def test_prediction_shows_image_and_probabilities():
    image, probabilities = torch.rand(28, 28), torch.tensor([0.2, 0.7, 0.1])
    left, right = plots.prediction(image, probabilities, ["a", "b", "c"]).axes
    np.testing.assert_array_equal(left.images[0].get_array(), image.numpy())
    assert [bar.get_height() for bar in right.patches] == pytest.approx([0.2, 0.7, 0.1])
    colours = [bar.get_facecolor() for bar in right.patches]
    assert colours[0] == colours[2] != colours[1]


def test_layer_diagram_names_every_operation_shape_and_parameter_count():
    stages = model_stages(ConvNet(), torch.zeros(1, 1, 28, 28))
    (ax,) = plots.layer_diagram(stages).axes
    written = texts(ax)
    for expected in ("1×28×28", "16×26×26", "32×24×24", "32×12×12", "4608", "64", "10", "cn1\nrelu", "max_pool2d\ndp1"):
        assert expected in written
    assert {"160", "4,640", "294,976", "650"} <= set(written)
    assert len(ax.patches) == 7
    heights = [block.get_height() for block in ax.patches]
    assert heights[0] > heights[1] > heights[2] > heights[3]  # 28, 26, 24, 12 pixels


def test_figures_belong_to_their_caller():
    figure, axes = plots.new_figure(2, 3, sharex=True)
    assert isinstance(figure, Figure) and axes.shape == (2, 3)
    assert not hasattr(figure.canvas, "manager") or figure.canvas.manager is None


def test_a_matrix_can_be_without_numbers_and_with_a_frame_around_some_cells():
    _, ax = plots.new_figure()
    plots.draw_matrix(ax, torch.eye(3), number="")
    assert not texts(ax)
    plots.outline(ax, row=1, column=0, height=2, width=3)
    (frame,) = ax.patches
    assert (frame.get_xy(), frame.get_height(), frame.get_width()) == ((-0.5, 0.5), 2, 3)


def test_use_style_sets_the_colour_blind_safe_cycle():
    plots.use_style()
    figure, ax = plots.new_figure()
    (line,) = ax.plot([0, 1])
    assert line.get_color() == "#3f90da"  # the first colour of petroff10
    assert figure.get_facecolor() == (1, 1, 1, 1)


def test_show_displays_a_picture_with_its_alternative_text(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *data, **options: shown.append((data, options)))
    figure, _ = plots.new_figure(width=4, height=2)
    plots.show(figure, alt="two empty axes")
    [((data,), options)] = shown
    assert data["text/plain"] == "Figure: two empty axes"
    assert options == {"metadata": {"image/png": {"alt": "two empty axes", "width": 384}}, "raw": True}
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.size == (768, 384)
    with pytest.raises(ValueError, match="alt is empty"):
        plots.show(figure, alt=" ")
