"""The look of every figure, and how a notebook shows one."""

import base64
import io

import matplotlib as mpl
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

PIXELS_PER_INCH = 96  # of a browser: a figure 9 inches wide fills a notebook's page

STYLE = {
    "figure.facecolor": "white",  # opaque, so that it stays legible in a dark theme
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
    """Set matplotlib's defaults to this project's: the colour-blind-safe cycle ``petroff10``, thin grids, no box.

    Source of the colours: M. A. Petroff, "Accessible Color Sequences for Data Visualization", 2021.
    """
    style.use("petroff10")
    mpl.rcParams.update(STYLE)


def new_figure(
    rows: int = 1, columns: int = 1, *, width: float = 9.0, height: float = 3.2, **options: object
) -> tuple[Figure, Axes]:
    """A figure and its axes, as ``plt.subplots`` gives, but owned by the caller: nothing shows or lingers by itself.

    Args:
        rows: rows of axes.
        columns: columns of axes.
        width: in inches; 9 fills a notebook's page.
        height: in inches.
        **options: for ``Figure.subplots``, for example ``sharey=True``.
    """
    figure = Figure(figsize=(width, height))
    return figure, figure.subplots(rows, columns, **options)


def show(figure: Figure, alt: str, **options: object) -> None:
    """Display a figure in a notebook, with a text for readers who cannot see it.

    Args:
        figure: any matplotlib figure.
        alt: what the figure shows, in a sentence; stored beside the picture, and compared when the notebook is re-run.
        **options: for IPython's ``display``, for example ``display_id``.

    Raises:
        ValueError: if ``alt`` is empty.
    """
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=2 * PIXELS_PER_INCH)
    show_png(picture.getvalue(), alt, width=round(figure.get_figwidth() * PIXELS_PER_INCH), **options)


def show_png(picture: bytes, alt: str, *, width: int, kind: str = "Figure", **options: object) -> None:
    """Display the bytes of a PNG file, ``width`` pixels of a browser wide; otherwise like ``show``.

    Args:
        picture: the file's bytes.
        alt: what it shows, in a sentence.
        width: on the page.
        kind: the word before ``alt`` where pictures cannot be shown.
        **options: for IPython's ``display``.

    Raises:
        ValueError: if ``alt`` is empty.
    """
    from IPython.display import display  # here, so that the figures can be drawn without Jupyter

    if not alt.strip():
        raise ValueError("alt is empty: say in a sentence what the figure shows, for readers who cannot see it")
    display(
        {"image/png": base64.b64encode(picture).decode(), "text/plain": f"{kind}: {alt}"},
        metadata={"image/png": {"alt": alt, "width": width}},
        raw=True,
        **options,
    )
