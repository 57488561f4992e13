"""Networks and boards show what they are given: values, weights, rates, and which stacks learn."""

import math

import pytest
import torch
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.patches import Circle

from helpers import plots
from helpers.plots.learning import Rescue, neurons, rescue_board
from helpers.plots.style import ACCENT, MUTED, NEGATIVE, PARAMETER

VALUES = [torch.tensor([1.0, -2.0]), torch.tensor([0.5, 0.0, 3.0]), torch.tensor([-1.25])]
WEIGHTS = [torch.tensor([[2.0, -1.0], [0.5, 0.5], [-4.0, 1.0]]), torch.tensor([[1.0, -1.0, 2.0]])]
NAMES = ["inputs", "hidden", "output"]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_neurons_are_circles_with_their_values_and_the_chosen_one_has_its_weights():
    (ax,) = neurons(VALUES, WEIGHTS, NAMES, chosen=2).axes
    assert len([patch for patch in ax.patches if isinstance(patch, Circle)]) == 6
    assert sorted(texts(ax)) == sorted([*NAMES, "1", "−2", "0.5", "0", "3", "−1.25", "−4", "1"])


def test_a_weights_sign_is_a_color_and_its_size_a_width():
    (ax,) = neurons(VALUES, WEIGHTS, NAMES).axes
    lines = [part for part in ax.collections if isinstance(part, LineCollection)]
    colors = [tuple(color[:3]) for part in lines for color in part.get_colors()]
    widths = [width for part in lines for width in part.get_linewidths()]
    weights = torch.cat([matrix.flatten() for matrix in WEIGHTS]).tolist()
    assert colors == [to_rgb(PARAMETER if weight > 0 else NEGATIVE) for weight in weights]
    assert widths == pytest.approx([max(0.6, abs(weight)) for weight in weights])  # the largest, 4, is 4 points wide


def test_nothing_lies_outside_the_picture():
    (ax,) = neurons(VALUES, WEIGHTS, NAMES).axes
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    for circle in ax.patches:
        x, y = circle.center
        assert left < x - circle.radius and x + circle.radius < right
        assert bottom < y - circle.radius and y + circle.radius < top


@pytest.mark.parametrize(
    ("values", "weights", "names", "chosen"),
    [
        (VALUES, [WEIGHTS[0].T, WEIGHTS[1]], NAMES, 0),
        (VALUES, WEIGHTS[:1], NAMES, 0),
        (VALUES, WEIGHTS, NAMES[:2], 0),
        (VALUES, WEIGHTS, NAMES, 3),
        (VALUES[:1], [], NAMES[:1], 0),
    ],
)
def test_what_does_not_fit_together_is_refused(values, weights, names, chosen):
    with pytest.raises(ValueError, match=r"columns of|no neuron"):
        neurons(values, weights, names, chosen=chosen)


GUESS = math.log(10)
NORMS = 10 ** torch.linspace(-6, 0, 4) * torch.tensor([[1.0], [0.9], [9.0]])  # the median is the first run
STUCK = Rescue("stuck", NORMS, (0.1, 1.0), (GUESS, math.inf), (2.3, 2.31))
SAVED = Rescue("saved", torch.ones(2, 4), (0.1, 1.0), (0.4, math.inf), (0.5, 0.3))


@pytest.fixture
def board():
    return rescue_board([STUCK, SAVED], GUESS, guess_name="guessing", runs_name="five seeds")


def test_who_learns_wears_the_accent(board):
    colors = [ax.yaxis.label.get_color() for ax in board.axes if ax.get_ylabel()]
    assert colors == [MUTED, ACCENT]


def test_only_a_rate_that_learns_is_ringed_and_named(board):
    stuck, saved = board.axes[1], board.axes[4]
    assert texts(stuck) == ["guessing"] and texts(saved) == ["0.1"]


def test_lines_show_the_losses_and_infinite_ones_stay_in_the_picture(board):
    for ax, stack in ((board.axes[1], STUCK), (board.axes[4], SAVED)):
        drawn = ax.lines[1].get_ydata()
        assert drawn[0] == stack.tried[0] and GUESS < drawn[1] < ax.get_ylim()[1]


def test_norms_share_a_logarithmic_scale(board):
    norms = board.axes[0], board.axes[3]
    assert norms[0].get_ylim() == norms[1].get_ylim() and norms[0].get_yscale() == "log"
    for ax, stack in zip(norms, (STUCK, SAVED)):
        torch.testing.assert_close(torch.tensor(ax.lines[0].get_ydata()).float(), stack.norms[0])


def test_runs_that_blew_up_are_drawn_at_the_edge():
    runs = SAVED._replace(losses=(0.5, math.inf))
    ax = rescue_board([runs], GUESS, guess_name="", runs_name="").axes[2]
    assert max(max(line.get_xdata()) for line in ax.lines if line.get_marker() == "o") <= ax.get_xlim()[1]


def test_a_board_needs_a_row():
    with pytest.raises(ValueError, match="at least one row"):
        rescue_board([], GUESS, guess_name="", runs_name="")


def test_the_figures_are_drawn_without_warnings(board, recwarn):
    plots.show(board, "A board")
    plots.show(neurons(VALUES, WEIGHTS, NAMES), "A network")
    assert not recwarn.list
