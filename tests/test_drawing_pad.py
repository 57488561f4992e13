"""The pad on which a reader draws a digit."""

import sys
import warnings

import ipycanvas
import pytest
import torch

from helpers import DigitError, draw_strokes, plots

FIRST = draw_strokes([[(60, 60), (200, 60)]])


def figure_of(picture):
    figure, ax = plots.new_figure(width=2, height=2)
    ax.imshow(picture)
    return figure


@pytest.fixture
def pad(shown, panels):
    """A pad's canvas, button and message, and the pictures for which it asked."""
    asked = []
    plots.drawing_pad(lambda picture: asked.append(picture) or figure_of(picture), FIRST, "a line")
    return *panels[0], asked


def draw(canvas, *points):
    """What the browser tells of a pen that goes from point to point."""
    (x, y), *others = points
    canvas._mouse_down_callbacks(x, y)
    for x, y in others:
        canvas._mouse_move_callbacks(x, y)
    canvas._mouse_up_callbacks(x, y)
    canvas._mouse_move_callbacks(5, 5)  # the pen hovers away


def test_the_first_picture_is_shown_above_the_pad(pad, shown):
    canvas, _, message, asked = pad
    (picture, options), (controls, _) = shown
    assert asked == [FIRST]
    assert "image/png" in picture and options["metadata"]["image/png"]["alt"] == "a line"
    assert controls["text/plain"] == "A pad to draw on, when run"
    assert isinstance(canvas, ipycanvas.Canvas) and "Draw a digit" in message.value


def test_each_stroke_is_added_and_answered(pad, shown):
    canvas, _, message, asked = pad
    draw(canvas, (50, 50), (100, 50))
    draw(canvas, (50, 200), (100, 200), (150, 250))
    strokes = [[(50, 50), (50, 50), (100, 50)], [(50, 200), (50, 200), (100, 200), (150, 250)]]
    assert [picture.tobytes() for picture in asked[1:]] == [
        draw_strokes(strokes[:1]).tobytes(),
        draw_strokes(strokes).tobytes(),
    ]
    assert shown[-1][1]["update"] and shown[-1][1]["display_id"] == shown[0][1]["display_id"]
    assert message.value == ""


def test_a_pen_that_is_up_draws_nothing(pad):
    canvas, _, _, asked = pad
    canvas._mouse_move_callbacks(10, 10)
    canvas._mouse_up_callbacks(20, 20)
    canvas._mouse_out_callbacks(30, 30)
    assert len(asked) == 1


def test_leaving_the_pad_ends_the_stroke(pad):
    canvas, _, _, asked = pad
    canvas._mouse_down_callbacks(50, 50)
    canvas._mouse_out_callbacks(300, 50)
    canvas._mouse_move_callbacks(100, 100)
    assert len(asked) == 2 and asked[1].tobytes() == draw_strokes([[(50, 50), (50, 50)]]).tobytes()


def test_a_finger_draws_as_a_mouse_does(pad):
    canvas, _, _, asked = pad
    canvas._touch_start_callbacks([(50, 50)])
    canvas._touch_move_callbacks([(100, 50), (7, 7)])  # a second finger counts for nothing
    canvas._touch_end_callbacks([])
    assert asked[1].tobytes() == draw_strokes([[(50, 50), (50, 50), (100, 50)]]).tobytes()


def test_clear_forgets_the_strokes(pad):
    canvas, clear, message, asked = pad
    draw(canvas, (50, 50), (100, 50))
    message.value = "this looks like several digits"
    clear.click()
    assert "Draw a digit" in message.value and asked[-1] == FIRST
    draw(canvas, (10, 10), (20, 20))
    assert asked[-1].tobytes() == draw_strokes([[(10, 10), (10, 10), (20, 20)]]).tobytes()


@pytest.mark.parametrize("object_to", ["error", "warning"])
def test_what_is_wrong_is_written_below_the_pad(shown, panels, object_to):
    pictures = []

    def answer(picture):
        pictures.append(picture)
        if len(pictures) > 1 and object_to == "error":
            raise DigitError("no digit found")
        if len(pictures) > 1:
            warnings.warn("no digit found", stacklevel=1)
        return figure_of(picture)

    plots.drawing_pad(answer, FIRST, "a line")
    canvas, _, message = panels[0]
    draw(canvas, (50, 50), (60, 60))
    assert message.value == "no digit found"


def test_a_fault_of_the_answer_is_not_blamed_on_the_drawing(shown, panels):
    pictures = []

    def answer(picture):
        pictures.append(picture)
        if len(pictures) > 1:
            raise ValueError("expected images of 28×28")
        return figure_of(picture)

    plots.drawing_pad(answer, FIRST, "a line")
    canvas, _, message = panels[0]
    draw(canvas, (50, 50), (60, 60))  # the widget reports the error by itself, with its traceback
    assert "Draw a digit" in message.value


def test_without_ipycanvas_there_is_the_picture(shown, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ipycanvas", None)
    plots.drawing_pad(figure_of, FIRST, "a line")
    ((data, _),) = shown
    assert set(data) == {"image/png", "text/plain"}
    assert "pip install ipycanvas" in capsys.readouterr().out


def test_the_figure_of_the_steps_shows_them_and_the_answer():
    steps = {"the picture": torch.rand(30, 20), "centred": torch.rand(28, 28)}
    probabilities = torch.tensor([0.1, 0.7, 0.2])
    first, second, bars = plots.digit_steps(steps, probabilities).axes
    for ax, (name, picture) in zip((first, second), steps.items()):
        assert ax.get_title(loc="center") == f"{name}\n{picture.shape[0]}×{picture.shape[1]}"
        assert (ax.images[0].get_array() == picture.numpy()).all()
    assert (first.images[0].get_cmap().name, second.images[0].get_cmap().name) == ("gray", "gray_r")
    assert [bar.get_height() for bar in bars.patches] == pytest.approx(probabilities.tolist())
    assert bars.get_title(loc="center") == "read as 1\nprobability 70.0 %"
