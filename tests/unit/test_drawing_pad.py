"""The pad on which a reader draws a digit; calls of the canvas's callbacks stand for the messages of a browser."""

import sys

import pytest

from helpers import DigitError, draw_strokes, plots

FIRST = draw_strokes([[(60, 60), (200, 60)]])


@pytest.fixture
def pad(shown, panels):
    """Canvas, button and message of a pad, the pictures it asked for, and what the next answer objects."""
    asked, objections = [], []

    def answer(picture):
        asked.append(picture)
        for objection in objections:
            raise objection
        return plots.new_figure(width=2, height=2)[0]

    plots.drawing_pad(answer, FIRST, "a line")
    return *panels[0], asked, objections


def draw(canvas, *points):
    """Move a pen from point to point, and then let it hover away."""
    canvas._mouse_down_callbacks(*points[0])
    for point in points[1:]:
        canvas._mouse_move_callbacks(*point)
    canvas._mouse_up_callbacks(*points[-1])
    canvas._mouse_move_callbacks(5, 5)


def test_strokes_are_drawn_with_round_ends():
    picture = draw_strokes([[(50, 50)], [(100, 200), (200, 200)]], pen=20)
    assert picture.size == (280, 280)
    ink, paper = [(50, 50), (150, 200), (93, 200)], [(50, 65), (85, 200), (93, 209)]
    assert [picture.getpixel(place) for place in ink + paper] == 3 * [0] + 3 * [255]


def test_each_stroke_is_added_and_answered_until_the_pad_is_cleared(pad, shown):
    canvas, clear, message, asked, _ = pad
    (_, options), (controls, _) = shown
    assert asked == [FIRST] and options["metadata"]["image/png"]["alt"] == "a line"
    assert controls["text/plain"] == "A pad to draw on, when run" and "Draw a digit" in message.value
    draw(canvas, (50, 50), (100, 50))
    draw(canvas, (50, 200), (100, 200), (150, 250))
    strokes = [[(50, 50), (100, 50)], [(50, 200), (100, 200), (150, 250)]]
    assert asked[1:] == [draw_strokes(strokes[:1]), draw_strokes(strokes)]
    assert shown[-1][1]["update"] and shown[-1][1]["display_id"] == options["display_id"]
    assert message.value == ""
    clear.click()
    assert "Draw a digit" in message.value and asked[-1] == FIRST
    draw(canvas, (10, 10), (20, 20))
    assert asked[-1] == draw_strokes([[(10, 10), (20, 20)]])


def test_a_pen_draws_only_while_it_is_down_and_on_the_pad(pad):
    canvas, _, _, asked, _ = pad
    canvas._mouse_move_callbacks(10, 10)
    canvas._mouse_up_callbacks(20, 20)
    assert len(asked) == 1
    canvas._mouse_down_callbacks(50, 50)
    canvas._mouse_out_callbacks(300, 50)
    canvas._mouse_move_callbacks(100, 100)
    assert asked[1:] == [draw_strokes([[(50, 50)]])]


def test_a_finger_draws_like_a_mouse(pad):
    canvas, _, _, asked, _ = pad
    canvas._touch_start_callbacks([(50, 50)])
    canvas._touch_move_callbacks([(100, 50), (7, 7)])  # a second finger counts for nothing
    canvas._touch_end_callbacks([])
    canvas._touch_start_callbacks([(50, 90)])
    canvas._touch_cancel_callbacks([])
    assert asked[1:] == [draw_strokes([[(50, 50), (100, 50)]]), draw_strokes([[(50, 50), (100, 50)], [(50, 90)]])]


@pytest.mark.parametrize(
    ("objection", "expected"),
    [
        (DigitError("no digit found"), "no digit found"),
        (RuntimeError("a bug"), "Draw a digit on the pad"),  # the widget reports it with its traceback
    ],
)
def test_errors_about_the_drawing_are_written_below_the_pad(pad, objection, expected):
    canvas, _, message, _, objections = pad
    objections.append(objection)
    draw(canvas, (50, 50), (60, 60))
    assert message.value.startswith(expected)


def test_without_ipycanvas_there_is_the_picture(shown, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ipycanvas", None)
    plots.drawing_pad(lambda picture: plots.new_figure()[0], FIRST, "a line")
    ((data, _),) = shown
    assert set(data) == {"image/png", "text/plain"}
    assert "pip install ipycanvas" in capsys.readouterr().out
