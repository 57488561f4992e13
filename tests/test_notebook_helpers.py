import pytest
import torch

from helpers import ConvNet, check_answer, exercise_summary, notebook, show_source


def verdict(capsys, answer, expected):
    check_answer("9.1", answer, expected, hint="think.")
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (3, 3),
        (0.1 + 0.2, 0.3),
        (torch.tensor(2.0), 2),
        (torch.tensor([1, 2]), torch.tensor([1.0, 2.0])),
        ((2, 1), (2, 1)),
        ("relu", "relu"),
        (lambda x: x + 1, lambda function: function(1) == 2),
    ],
)
def test_a_right_answer(capsys, answer, expected):
    assert verdict(capsys, answer, expected) == "Exercise 9.1: right.\n"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (4, 3),
        (torch.tensor([1, 2]), 1),
        (torch.tensor([1.0, 1.0]), torch.tensor([1.0])),
        (3, "text"),
        (float("nan"), 3),
        (lambda x: x, lambda function: function(1) == 2),
    ],
)
def test_a_wrong_answer_gets_the_hint(capsys, answer, expected):
    assert verdict(capsys, answer, expected) == "Exercise 9.1: not yet. Hint: think.\n"


def test_an_answer_that_raises_is_wrong_and_says_why(capsys):
    verdicts = verdict(capsys, lambda: 1, lambda function: function(1) == 2), verdict(capsys, "text", 3)
    assert verdicts[0].startswith("Exercise 9.1: not yet (TypeError: ")
    assert all(text.endswith("). Hint: think.\n") for text in verdicts)


def test_no_answer_yet(capsys):
    assert verdict(capsys, None, 3) == "Exercise 9.1: your turn.\n"


@pytest.mark.parametrize(
    ("answers", "summary"),
    [
        ([None, None], "0 of 2 exercises solved. Left: 9.1, 9.2."),
        ([1, None], "1 of 2 exercises solved. Left: 9.2."),
        ([7, 2], "1 of 2 exercises solved. Left: 9.1."),
        ([1, 2], "2 of 2 exercises solved."),
    ],
)
def test_the_summary_names_what_is_left(capsys, monkeypatch, answers, summary):
    monkeypatch.setattr(notebook, "solved", {})
    for expected, answer in enumerate(answers, start=1):
        check_answer(f"9.{expected}", answer, expected, hint="think.")
    capsys.readouterr()
    exercise_summary()
    assert capsys.readouterr().out.strip() == summary


@pytest.mark.parametrize("last", [2, None])
def test_the_last_answer_counts(capsys, monkeypatch, last):
    monkeypatch.setattr(notebook, "solved", {})
    for answer in (1, last):
        check_answer("9.1", answer, 1, hint="think.")
    exercise_summary()
    assert capsys.readouterr().out.endswith("0 of 1 exercises solved. Left: 9.1.\n")


def test_show_source_displays_the_source_itself(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda item: shown.append(item.data))
    show_source(ConvNet, check_answer)
    assert shown[0].startswith("```python\nclass ConvNet(nn.Module):")
    assert "def check_answer(" in shown[0]
