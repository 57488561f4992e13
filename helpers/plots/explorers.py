"""Figures with controls: live where a kernel runs, a still picture everywhere else."""

import contextlib
from collections.abc import Callable
from uuid import uuid4

from matplotlib.figure import Figure

from helpers.plots.style import show


def explorer(draw: Callable[..., Figure], alt: str, **controls: object) -> None:
    """Show the figure that ``draw`` returns, and controls below it that redraw it.

    The figure is an ordinary picture. Where widgets cannot run (on a web page, before the notebook is run, without
    ipywidgets), it stays as it is for the first values of the controls.

    Args:
        draw: Function that takes the values of the controls by name and returns a figure.
        alt: Description of the first figure in one sentence, for readers who cannot see it.
        **controls: For each argument of ``draw``, a tuple: ``(lowest, highest, step, first)`` makes a slider; strings
            make a menu, whose first entry is chosen at first; a single string makes a field to type in.

    Raises:
        ValueError: If ``alt`` is empty, there is no control, or a control is of another kind.
    """
    if not controls:
        raise ValueError("no controls: pass at least one, or show the figure with plots.show")
    for name, choices in controls.items():
        if not (isinstance(choices, str) or _is_menu(choices) or _is_slider(choices)):
            raise ValueError(f"{name} must be (lowest, highest, step, first) or strings: got {choices!r}")
    first = {name: _first(choices) for name, choices in controls.items()}
    picture = uuid4().hex  # later figures with this name replace the first
    show(draw(**first), alt, display_id=picture)

    def redraw(values: dict[str, object]) -> None:
        show(draw(**values), alt, display_id=picture, update=True)

    with contextlib.suppress(ImportError):
        _show_controls(controls, first, redraw)


def _show_controls(controls: dict, first: dict, redraw: Callable[[dict], None]) -> None:
    import ipywidgets
    from IPython.display import display

    inputs = {}
    for name, choices in controls.items():
        label = {"description": name.replace("_", " "), "style": {"description_width": "9em"}}
        if isinstance(choices, str):
            inputs[name] = ipywidgets.Text(value=choices, continuous_update=False, **label)
        elif _is_menu(choices):
            inputs[name] = ipywidgets.Dropdown(options=list(choices), **label)
        else:
            low, high, step, _ = choices
            inputs[name] = ipywidgets.FloatSlider(value=first[name], min=low, max=high, step=step, **label)
    for control in inputs.values():
        control.observe(lambda _: redraw({name: one.value for name, one in inputs.items()}), names="value")
    panel = ipywidgets.VBox(list(inputs.values()))
    display({**panel._repr_mimebundle_(), "text/plain": f"Controls, when run: {', '.join(inputs)}"}, raw=True)


def _first(choices: str | tuple) -> object:
    if isinstance(choices, str):
        return choices
    return choices[0] if _is_menu(choices) else choices[3]


def _is_menu(choices: object) -> bool:
    return isinstance(choices, tuple | list) and len(choices) > 0 and all(isinstance(item, str) for item in choices)


def _is_slider(choices: object) -> bool:
    return isinstance(choices, tuple | list) and len(choices) == 4 and all(isinstance(n, int | float) for n in choices)
