import pytest
import torch

from helpers import ConvNet, check_answer, exercise_summary, notebook, show_source


@pytest.fixture(autouse=True)
def nothing_solved(monkeypatch):
    monkeypatch.setattr(notebook, "solved", {})


@pytest.mark.parametrize(
    ("answer", "expected", "verdict"),
    [
        (0.1 + 0.2, 0.3, "right."),
        (torch.tensor([1, 2]), torch.tensor([1.0, 2.0]), "right."),
        ((2, 1), (2, 1), "right."),
        ("relu", "relu", "right."),
        (lambda x: x + 1, lambda function: function(1) == 2, "right."),
        (None, 3, "your turn."),
        (4, 3, "not yet. Hint: think."),
        (torch.tensor([1.0, 1.0]), 1, "not yet. Hint: think."),
        (3, "text", "not yet. Hint: think."),
        (float("nan"), 3, "not yet. Hint: think."),
        (lambda x: x, lambda function: function(1) == 2, "not yet. Hint: think."),
        (lambda x: 1 / 0, lambda function: function(1), "not yet (ZeroDivisionError: division by zero). Hint: think."),
    ],
)
def test_each_answer_gets_its_verdict(capsys, answer, expected, verdict):
    check_answer("9.1", answer, expected, hint="think.")
    assert capsys.readouterr().out == f"Exercise 9.1: {verdict}\n"


def test_the_summary_names_what_is_left_by_the_last_answers(capsys):
    summaries = []
    for exercise, answer in [("9.1", 1), ("9.2", 7), ("9.1", None), ("9.2", 1), ("9.1", 1)]:
        check_answer(exercise, answer, 1, hint="think.")
        exercise_summary()
        summaries.append(capsys.readouterr().out.splitlines()[1].replace(" exercises solved.", ""))
    assert summaries == ["1 of 1", "1 of 2 Left: 9.2.", "0 of 2 Left: 9.1, 9.2.", "1 of 2 Left: 9.1.", "2 of 2"]


def test_show_source_displays_the_code_with_its_comments_and_without_docstrings(shown):
    show_source(ConvNet, notebook.exercise_summary, ConvNet.forward)
    source = shown[0][0].data
    assert source.startswith("```python\nclass ConvNet(nn.Module):\n    def __init__(self) -> None:\n")
    assert "# drops whole feature maps\n" in source and '"""' not in source
    assert "\n\n\ndef exercise_summary() -> None:\n    left = [" in source
    assert source.endswith("dim=1)  # (N, 10)\n```") and "\n\ndef forward(" in source
