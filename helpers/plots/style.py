"""The look of all figures, and their display in a notebook."""

import base64
import io

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

PIXELS_PER_INCH = 96  # in a browser; a figure 9 inches wide fills the page of a notebook

# Source: M. A. Petroff, "Accessible Color Sequences for Data Visualization", 2021, https://arxiv.org/abs/2107.02270.
COLORS = [
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
]  # fmt: skip

STYLE = {
    "axes.prop_cycle": mpl.cycler(color=COLORS),
    "patch.facecolor": COLORS[0],
    "figure.facecolor": "white",  # opaque: legible in a dark theme, too
    "savefig.facecolor": "white",
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.9",
    "axes.axisbelow": True,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "font.size": 10,
    "legend.frameon": False,
    "image.cmap": "gray_r",
}


def use_style() -> None:
    """Set the defaults of matplotlib: colors that color-blind readers can tell apart, a thin grid, no box."""
    mpl.rcParams.update(STYLE)


def new_figure(
    rows: int = 1, columns: int = 1, *, width: float = 9.0, height: float = 3.2, **options: object
) -> tuple[Figure, Axes]:
    """A figure and its axes, like those of ``plt.subplots``; but pyplot neither shows nor stores the figure.

    Args:
        rows: Number of rows of axes.
        columns: Number of columns of axes.
        width: Width in inches; 9 fills the page of a notebook.
        height: Height in inches.
        **options: Options of ``Figure.subplots``, such as ``sharey=True``.
    """
    figure = Figure(figsize=(width, height))
    return figure, figure.subplots(rows, columns, **options)


def show(figure: Figure, alt: str, **options: object) -> None:
    """Display a figure in a notebook, with a text for readers who cannot see it.

    Args:
        figure: Figure of matplotlib.
        alt: Description of the figure in one sentence; it is stored beside the picture.
        **options: Options of IPython's ``display``, such as ``display_id``.

    Raises:
        ValueError: If ``alt`` is empty.
    """
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=2 * PIXELS_PER_INCH)
    show_png(picture.getvalue(), alt, width=round(figure.get_figwidth() * PIXELS_PER_INCH), **options)


def show_png(picture: bytes, alt: str, *, width: int, kind: str = "Figure", **options: object) -> None:
    """Display a picture in a notebook, like ``show``.

    Args:
        picture: Content of a PNG file.
        alt: Description of the picture in one sentence.
        width: Width in the browser, in pixels.
        kind: Word before ``alt`` where pictures cannot be shown.
        **options: Options of IPython's ``display``.

    Raises:
        ValueError: If ``alt`` is empty.
    """
    from IPython.display import display  # here: figures can be drawn without Jupyter

    if not alt.strip():
        raise ValueError("alt is empty: say in a sentence what the figure shows, for readers who cannot see it")
    display(
        {"image/png": base64.b64encode(picture).decode(), "text/plain": f"{kind}: {alt}"},
        metadata={"image/png": {"alt": alt, "width": width}},
        raw=True,
        **options,
    )
