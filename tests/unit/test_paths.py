"""Each optimizer has its panel, its name and its count of steps; in a race, a scoreboard has them, too."""

import pytest
import torch
from matplotlib.colors import to_rgba

from helpers import plots
from helpers.plots.paths import draw_valley, path_grid, race_frame

HESSIANS = {"straight": torch.diag(torch.tensor([0.1, 2.0])), "turned": torch.tensor([[1.05, -0.95], [-0.95, 1.05]])}
PATHS = {
    valley: {
        "SGD": torch.tensor([[-8.0, 3.0], [-4.0, 1.0], [0.0, 0.0]]),
        "Adam": torch.tensor([[-8.0, 3.0], [0.0, 12.0], [1.0, 1.0]]),
    }
    for valley in HESSIANS
}
ARRIVED = {"straight": {"SGD": 2, "Adam": 1}, "turned": {"SGD": 2, "Adam": None}}


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_a_valley_is_darkest_at_its_minimum_and_as_wide_as_its_hessian_says():
    _, ax = plots.new_figure()
    draw_valley(ax, HESSIANS["straight"], limit=5)
    (contours,) = [artist for artist in ax.collections if hasattr(artist, "levels")]
    bounds = [path.get_extents() for path in contours.get_paths() if len(path.vertices)]
    small = min(bounds, key=lambda box: box.width)
    assert small.width / small.height == pytest.approx(20**0.5, rel=0.2)  # the root of the curvatures' ratio
    assert ax.get_xlim() == (-5, 5) and ax.get_aspect() == 1
    shades = contours.get_facecolors()[:, :3].sum(axis=1)
    assert (shades[1:] > shades[:-1]).all()


def test_each_path_has_a_panel_with_its_steps():
    plots.use_style()  # titles stand on the left, whichever test came before
    figure = path_grid(PATHS, HESSIANS, ARRIVED)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["SGD", "Adam", "", ""]
    assert [ax.get_ylabel() for ax in figure.axes] == ["straight", "", "turned", ""]
    far = "far out,\nand back"  # Adam's path leaves its panel
    assert [texts(ax) for ax in figure.axes] == [
        ["2 steps"],
        [far, "1 step, first"],
        ["2 steps, first"],
        [far, "not there"],
    ]
    for ax, path in zip(figure.axes, [path for valley in PATHS.values() for path in valley.values()]):
        drawn = ax.lines[1].get_xydata()
        torch.testing.assert_close(torch.tensor(drawn, dtype=torch.float32), path)


def test_in_a_race_a_scoreboard_says_who_has_arrived():
    plots.use_style()
    figure = race_frame(PATHS, HESSIANS, ARRIVED, step=1)
    assert [ax.get_title(loc="left") for ax in figure.axes[::2]] == ["straight: Adam first", "turned"]
    boards = figure.axes[1::2]
    assert [texts(board) for board in boards] == [["SGD", "", "Adam", "1 step"], ["SGD", "", "Adam", ""]]
    boards = race_frame(PATHS, HESSIANS, ARRIVED, step=2).axes[1::2]
    assert [texts(board) for board in boards] == [
        ["SGD", "2 steps", "Adam", "1 step"],
        ["SGD", "2 steps", "Adam", "loss 0.1"],
    ]
    assert [[bar.get_width() for bar in board.patches[1::2]] for board in boards] == [[2, 1], [2, 2]]


def test_a_runner_has_the_color_of_its_row():
    panel, board = race_frame(PATHS, HESSIANS, ARRIVED, step=0).axes[:2]
    heads = [line for line in panel.lines if line.get_marker() == "o"]
    rows = {text.get_text(): text.get_color() for text in board.texts[::2]}
    colors = [bar.get_facecolor() for bar in board.patches[1::2]]
    for name, head, bar in zip(PATHS["straight"], heads, colors, strict=True):
        assert head.get_color() == rows[name] and to_rgba(rows[name]) == bar
        assert head.get_xydata()[0].tolist() == PATHS["straight"][name][0].tolist()


def test_a_runner_that_has_arrived_moves_to_the_scoreboard():
    panel, board = race_frame(PATHS, HESSIANS, ARRIVED, step=1).axes[:2]
    (running,) = [line for line in panel.lines if line.get_marker() == "o"]
    assert running.get_xydata().tolist() == [[-4, 1]]  # SGD; Adam is there
    assert [1, 1] in [line.get_xydata()[0].tolist() for line in board.lines]
    assert "Adam: far out,\nand back" in texts(panel)
