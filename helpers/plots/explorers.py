"""Figures with controls: live where a kernel runs, a still picture everywhere else."""

import base64
import io
from collections.abc import Callable

from matplotlib.figure import Figure

from helpers.plots.style import POINTS_PER_INCH, show


def explorer(draw: Callable[..., Figure], alt: str, **controls: object) -> None:
    """Show the figure that ``draw`` returns, under controls that redraw it.

    Where widgets cannot run (a web page, a notebook viewer, a missing ipywidgets) the figure for the controls' first
    values is shown instead.

    Args:
        draw: takes the controls' values by name and returns a figure.
        alt: what the figure shows at first, in a sentence.
        **controls: for each argument of ``draw``, its choices as a tuple: ``(lowest, highest, step, first)`` for a
            slider, or strings for a menu, of which the first is chosen.

    Raises:
        ValueError: if ``alt`` is empty, there is no control, or a control is neither of the two.
    """
    if not alt.strip():
        raise ValueError("alt is empty: say in a sentence what the figure shows, for readers who cannot see it")
    if not controls:
        raise ValueError("no controls: pass at least one, or show the figure with plots.show")
    for name, choices in controls.items():
        if not _is_menu(choices) and not _is_slider(choices):
            raise ValueError(f"{name} must be (lowest, highest, step, first) or strings: got {choices!r}")
    first = {name: choices[0] if _is_menu(choices) else choices[3] for name, choices in controls.items()}
    try:
        _show_live(draw, alt, controls, first)
    except ImportError:
        show(draw(**first), alt)


def _show_live(draw: Callable[..., Figure], alt: str, controls: dict, first: dict) -> None:
    import ipywidgets
    from IPython.display import display

    inputs = {}
    for name, choices in controls.items():
        label = {"description": name.replace("_", " "), "style": {"description_width": "9em"}}
        if _is_menu(choices):
            inputs[name] = ipywidgets.Dropdown(options=list(choices), **label)
        else:
            low, high, step, value = choices
            inputs[name] = ipywidgets.FloatSlider(value=value, min=low, max=high, step=step, **label)
    figure = draw(**first)
    width = round(figure.get_figwidth() * POINTS_PER_INCH)
    picture = ipywidgets.Image(value=_png(figure), format="png", width=width)

    def redraw(_: object) -> None:
        picture.value = _png(draw(**{name: control.value for name, control in inputs.items()}))

    for control in inputs.values():
        control.observe(redraw, names="value")
    panel = ipywidgets.VBox([*inputs.values(), picture])
    still = {
        "image/png": base64.b64encode(_png(figure)).decode(),
        "text/plain": f"Figure (with controls when run): {alt}",
    }
    display({**panel._repr_mimebundle_(), **still}, metadata={"image/png": {"alt": alt, "width": width}}, raw=True)


def _is_menu(choices: object) -> bool:
    return isinstance(choices, tuple | list) and len(choices) > 0 and all(isinstance(item, str) for item in choices)


def _is_slider(choices: object) -> bool:
    return isinstance(choices, tuple | list) and len(choices) == 4 and all(isinstance(n, int | float) for n in choices)


def _png(figure: Figure) -> bytes:
    stored = io.BytesIO()
    figure.savefig(stored, format="png", dpi=2 * POINTS_PER_INCH)
    return stored.getvalue()
