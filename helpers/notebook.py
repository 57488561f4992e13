"""What the notebooks show beside figures: source code, and a verdict on each exercise."""

import ast
import inspect
from collections.abc import Callable
from textwrap import dedent

import torch

solved: dict[str, bool] = {}  # by the exercise's number, in the order in which they were first checked


def show_source(*objects: Callable) -> None:
    """Display the source of functions or classes as it stands in their files, without docstrings.

    Markdown, rather than IPython's ``Code``: its stored form is the source itself, whatever highlights it later.
    """
    from IPython.display import Markdown, display  # here, so that helpers can be imported without Jupyter

    source = "\n\n".join(_without_docstrings(dedent(inspect.getsource(item))) for item in objects)
    display(Markdown(f"```python\n{source}```"))


def _without_docstrings(source: str) -> str:
    lines = source.splitlines(keepends=True)
    definitions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    for node in definitions:
        if ast.get_docstring(node) is not None:
            docstring = node.body[0]
            end = docstring.end_lineno + (lines[docstring.end_lineno : docstring.end_lineno + 1] == ["\n"])
            lines[docstring.lineno - 1 : end] = [""] * (end - docstring.lineno + 1)
    return "".join(lines)


def check_answer(exercise: str, answer: object, expected: object, hint: str) -> None:
    """Tell the reader whether an answer is right.

    Args:
        exercise: Number of the exercise, for example ``"3.2"``.
        answer: Answer of the reader, None before there is one. One that raises an error when it is checked is wrong.
        expected: Right answer, or a function of the answer that returns whether it is right (for example of an answer
            that is itself a function). Numbers and tensors may differ by rounding.
        hint: Advice that is shown when the answer is wrong.
    """
    solved[exercise] = False
    if answer is None:
        print(f"Exercise {exercise}: your turn.")
        return
    reason = ""
    try:
        solved[exercise] = _is_right(answer, expected)
    except Exception as error:  # a half-finished answer may raise anything
        reason = f" ({type(error).__name__}: {error})"
    verdict = "right." if solved[exercise] else f"not yet{reason}. Hint: {hint}"
    print(f"Exercise {exercise}: {verdict}")


def exercise_summary() -> None:
    """Print how many of the exercises that were checked are solved, and which are left."""
    left = [exercise for exercise, right in solved.items() if not right]
    summary = f"{len(solved) - len(left)} of {len(solved)} exercises solved."
    print(f"{summary} Left: {', '.join(left)}." if left else summary)


def _is_right(answer: object, expected: object | Callable[[object], bool]) -> bool:
    if callable(expected):
        return bool(expected(answer))
    if isinstance(expected, str):
        return answer == expected
    answer, expected = torch.as_tensor(answer).cpu(), torch.as_tensor(expected).cpu()
    return answer.shape == expected.shape and torch.allclose(answer.double(), expected.double(), atol=1e-6)
