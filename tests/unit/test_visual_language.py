"""The colors are legible and can be told apart; names, bands, dots and guides stand where the values are."""

import itertools

import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.patches import ConnectionPatch

from helpers import plots
from helpers.plots import style

MEANINGS = [style.FORWARD, style.GRADIENT, style.PARAMETER, style.ACCENT]

# What little-sensitive or missing cones make of linear RGB. Source: G. M. Machado, M. M. Oliveira, L. A. F. Fernandes,
# "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009, https://doi.org/10.1109/TVCG.2009.113.
NORMAL = torch.eye(3)
PROTANOPIA = torch.tensor(
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
)
DEUTERANOPIA = torch.tensor(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
TO_XYZ = torch.tensor([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(color):
    rgb = torch.tensor(to_rgb(color))
    return torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast_with_white(color):
    """As the Web Content Accessibility Guidelines define it, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    return 1.05 / ((TO_XYZ @ linear(color))[1].item() + 0.05)


def lab(color, seen_by):
    """CIELAB coordinates: Euclidean distances are about what is seen, and 2 can just be noticed."""
    x, y, z = (
        ((TO_XYZ @ (seen_by @ linear(color)).clamp(0, 1)) / torch.tensor([0.9505, 1.0, 1.089])).pow(1 / 3).tolist()
    )
    return torch.tensor([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize(
    "color", [*MEANINGS, style.INK, style.MUTED, *style.STYLE["axes.prop_cycle"].by_key()["color"]]
)
def test_text_and_lines_have_enough_contrast(color):
    assert contrast_with_white(color) >= 4.5


def test_pale_lines_can_be_seen_and_yellow_ones_would_not_pass():
    assert 3 <= contrast_with_white(style.PALE) < 4.5
    assert contrast_with_white("#ffa90e") == pytest.approx(1.9, abs=0.05)


@pytest.mark.parametrize("seen_by", [NORMAL, PROTANOPIA, DEUTERANOPIA], ids=["normal", "protanopia", "deuteranopia"])
def test_each_meaning_has_a_color_of_its_own_for_color_blind_readers_too(seen_by):
    for one, other in itertools.combinations([*MEANINGS, style.PALE, style.INK], 2):
        assert (lab(one, seen_by) - lab(other, seen_by)).norm() > 15, (one, other)


def test_red_and_green_of_one_lightness_would_not_pass():
    assert (lab("#c2410c", DEUTERANOPIA) - lab("#6f7000", DEUTERANOPIA)).norm() < 15


def test_lines_are_named_at_their_ends_in_their_colors_and_names_keep_a_distance():
    _, ax = plots.new_figure(height=3)
    ax.plot([0, 1], [0, 1.0], color="C0", label="upper")
    ax.plot([0, 1], [0, 0.99], color="C1", label="lower", linewidth=3)
    ax.plot([0, 1], [0, 0.1], color=style.PALE, label="far")
    ax.plot([0, 1], [0, 0.5], color="C3")
    ax.plot([0, 0.5], [0, 0.995], label="elsewhere")
    plots.label_lines(ax, gap=13, number="{:.2f} %")
    elsewhere, far, lower, upper = sorted(ax.texts, key=lambda text: (text.xy[0], text.xy[1]))
    assert [text.get_text() for text in (far, lower, upper)] == ["far  0.10 %", "lower  0.99 %", "upper  1.00 %"]
    assert elsewhere.xyann[1] == pytest.approx(0)
    assert (upper.get_color(), lower.get_color(), lower.get_weight()) == ("C0", "C1", "bold")
    assert far.get_color() == style.MUTED
    assert far.xyann[1] == pytest.approx(0) and upper.xyann[1] == pytest.approx(-lower.xyann[1], abs=2)
    heights = [ax.transData.transform(text.xy)[1] * 72 / ax.figure.dpi + text.xyann[1] for text in (lower, upper)]
    assert heights[1] - heights[0] == pytest.approx(13)


def test_a_band_reaches_from_the_lowest_run_to_the_highest_around_the_median():
    _, ax = plots.new_figure()
    line = plots.draw_band(ax, [1, 2], torch.tensor([[1.0, 4], [2, 9], [6, 5]]), "runs")
    assert line.get_xydata().tolist() == [[1, 2], [2, 5]] and line.get_label() == "runs"
    corners = ax.collections[0].get_paths()[0].vertices.tolist()
    assert {tuple(corner) for corner in corners} == {(1, 1), (1, 6), (2, 4), (2, 9)}


def test_dots_stand_in_a_row_with_their_mean():
    _, ax = plots.new_figure()
    ax.set_xlim(80, 100)
    plots.draw_dots(ax, 3, [90.0, 94.0], hero=True)
    mean, dots = ax.lines
    assert dots.get_color() == style.ACCENT
    assert dots.get_xydata().tolist() == [[90, 3], [94, 3]] and mean.get_xdata().tolist() == [92, 92]
    (number,) = ax.texts
    assert (number.get_text(), number.xy, number.get_weight()) == ("92.0", (92, 3.3), "bold")


def test_dots_that_would_hide_each_other_are_stacked():
    _, ax = plots.new_figure()
    ax.set_xlim(80, 100)
    heights = plots.draw_dots(ax, 0, [90.1, 90.0, 95.0, 90.0])
    places = ax.lines[1].get_xydata().tolist()
    assert [y for _, y in places] == heights
    assert places[1:3] == [[90, 0], [95, 0]] and len({y for x, y in places if x < 95}) == 3


def test_guides_lead_from_the_corners_of_a_patch_to_those_of_a_pixel():
    figure, (left, right) = plots.new_figure(1, 2)
    plots.connect_cells(left, (2, 1, 3, 3), right, (0, 4, 1, 1))
    guides = [artist for artist in figure.artists if isinstance(artist, ConnectionPatch)]
    assert [guide.xy1 for guide in guides] == [(0.5, 1.5), (3.5, 1.5), (0.5, 4.5), (3.5, 4.5)]
    assert [guide.xy2 for guide in guides] == [(3.5, -0.5), (4.5, -0.5), (3.5, 0.5), (4.5, 0.5)]


def test_an_image_has_no_ticks_and_a_frame_where_one_is_wanted():
    _, (left, right) = plots.new_figure(1, 2)
    image = torch.rand(2, 3, requires_grad=True)
    plots.draw_image(left, image, vmin=0, vmax=2)
    plots.draw_image(right, image, frame=False)
    assert left.images[0].get_clim() == (0, 2) and left.images[0].get_array().tolist() == image.tolist()
    assert [ax.spines["top"].get_visible() for ax in (left, right)] == [True, False]
    assert not [*left.get_xticks(), *left.get_yticks()]


def test_a_part_too_narrow_for_its_name_has_it_below_at_a_tick():
    _, ax = plots.new_figure()
    ax.set(xlim=(0, 10), ylim=(2, -1))
    plots.draw_parts(ax, 0, {"work": 6, "nothing": 0, "narrow": 0.2, "last": 0.1}, ["black", "red", "blue", "green"])
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([6, 0, 0.2, 0.1])
    assert [bar.get_x() for bar in ax.patches] == pytest.approx([0, 6, 6, 6.2])
    work, nothing, long, rest = ax.texts
    assert nothing.get_text() == "" and work.get_position() == (3, 0) and work.get_color() == "white"
    assert [(text.get_color(), text.get_ha(), text.get_position()[1] > 0.5) for text in (long, rest)] == [
        ("blue", "right", True),
        ("green", "left", True),
    ]
    assert [line.get_xdata()[0] for line in ax.lines] == pytest.approx([6.1, 6.25])
