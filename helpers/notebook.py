"""What the notebooks say to their reader, beside figures: real source code, and a word on each exercise."""

import inspect
from collections.abc import Callable

import torch

solved: dict[str, bool] = {}  # by the exercise's number, in the order in which they were first checked


def show_source(*objects: Callable) -> None:
    """Display the source of functions or classes, as it stands in their files.

    Markdown, rather than IPython's ``Code``: its stored form is the source itself, whatever highlights it later.
    """
    from IPython.display import Markdown, display  # here, so that the helpers can be imported without Jupyter

    source = "\n\n".join(inspect.getsource(item) for item in objects)
    display(Markdown(f"```python\n{source}```"))


def check_answer(exercise: str, answer: object, expected: object, hint: str) -> None:
    """Tell the reader whether an answer is right.

    Args:
        exercise: its number, for example ``"3.2"``.
        answer: the reader's; None means that there is none yet. One that raises an error when it is checked is wrong.
        expected: the right answer, or a function of the answer that returns whether it is right (for an answer that is
            itself a function, say). Numbers and tensors may differ by rounding.
        hint: shown when the answer is wrong.
    """
    solved[exercise] = False
    if answer is None:
        print(f"Exercise {exercise}: your turn.")
        return
    reason = ""
    try:
        right = _is_right(answer, expected)
    except Exception as error:  # a half-finished answer may raise anything
        right, reason = False, f" ({type(error).__name__}: {error})"
    solved[exercise] = right
    print(f"Exercise {exercise}: right." if right else f"Exercise {exercise}: not yet{reason}. Hint: {hint}")


def exercise_summary() -> None:
    """Print how many of the exercises that were checked so far are solved, and which are left."""
    left = [exercise for exercise, right in solved.items() if not right]
    print(
        f"{len(solved) - len(left)} of {len(solved)} exercises solved." + (f" Left: {', '.join(left)}." if left else "")
    )


def _is_right(answer: object, expected: object | Callable[[object], bool]) -> bool:
    if callable(expected):
        return bool(expected(answer))
    if isinstance(expected, str):
        return answer == expected
    answer, expected = torch.as_tensor(answer).cpu(), torch.as_tensor(expected).cpu()
    return answer.shape == expected.shape and torch.allclose(answer.double(), expected.double(), atol=1e-6)
