"""The visual language of all figures, and their display in a notebook."""

import base64
import io

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

PIXELS_PER_INCH = 96  # in a browser; a figure 9 inches wide fills the page of a notebook

# One meaning, one color, in every figure. On white all but PALE have the contrast of text, PALE that of lines.
INK = "#1a1a1a"  # images, input data, text
FORWARD = "#1666b0"  # values and activations on their way forward
GRADIENT = "#c84c00"  # gradients on their way backward
PARAMETER = "#0b5d3b"
NEGATIVE = "#762a83"  # parameters below 0
ACCENT = "#a0006e"  # the hero of a comparison ...
PALE = "#8c8c8c"  # ... the others ...
MUTED = "#6b6b6b"  # ... and their names
COPY_GROUND = "#fff1cc"  # behind new storage and copies

INK_MAP = "gray_r"  # black ink on white
UNSIGNED_MAP = "Blues"  # activations, counts
SIGNED_MAP = "PRGn"  # weights and other signed values: purple below 0, white at 0, green above

STYLE = {
    "axes.prop_cycle": mpl.cycler(color=[FORWARD, GRADIENT, PARAMETER, ACCENT, "#8f6b00", MUTED]),
    "patch.facecolor": FORWARD,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": PALE,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "figure.facecolor": "white",  # opaque: legible in a dark theme, too
    "savefig.facecolor": "white",
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.92",
    "axes.axisbelow": True,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "font.size": 10,
    "legend.frameon": False,
    "image.cmap": INK_MAP,
}


def use_style() -> None:
    """Set the defaults of matplotlib: colors that color-blind readers can tell apart, a thin grid, no box."""
    mpl.rcParams.update(STYLE)


def paler(color: str, share: float) -> tuple[float, ...]:
    """The color, this share of it mixed with white; opaque, so that nothing shines through."""
    return tuple(1 - share * (1 - part) for part in mpl.colors.to_rgb(color))


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
