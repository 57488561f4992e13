"""Short animations, stored in a notebook as one picture."""

import io
from collections.abc import Iterable

from matplotlib.figure import Figure
from PIL import Image

from helpers.plots.style import PIXELS_PER_INCH, show_png


def show_animation(figures: Iterable[Figure], alt: str, *, frames_per_second: float = 10, colors: int = 256) -> None:
    """Display figures one after the other, in an endless loop, as an animated PNG; web pages and JupyterLab play it.

    Args:
        figures: Frames, all of one size. The last one stays for four seconds, and its colors are the palette.
        alt: Description of the animation in one sentence, for readers who cannot see it.
        frames_per_second: Speed.
        colors: Number of colors in the palette, from 2 to 256; fewer make a smaller file.

    Raises:
        ValueError: If ``alt`` is empty or there is no frame.
    """
    frames = [_picture(figure) for figure in figures]
    if not frames:
        raise ValueError("no figures: an animation needs at least one frame")
    palette = _without_tints(frames[-1].quantize(colors, method=Image.Quantize.MAXCOVERAGE))
    frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    times = [1000 / frames_per_second] * (len(frames) - 1) + [4000]  # milliseconds
    stored = io.BytesIO()
    first, *others = frames
    first.save(stored, format="PNG", save_all=True, append_images=others, duration=times, loop=0, optimize=True)
    show_png(stored.getvalue(), alt, width=first.width, kind="Animation")


def _without_tints(palette: Image.Image) -> Image.Image:
    """The palette with all nearly gray colors made gray, all nearly white ones white, as figures have them."""
    colors = palette.getpalette()
    for place in range(0, len(colors), 3):
        color = colors[place : place + 3]
        if max(color) - min(color) <= 8:
            colors[place : place + 3] = [255 if min(color) > 246 else round(sum(color) / 3)] * 3
    palette.putpalette(colors)
    return palette


def _picture(figure: Figure) -> Image.Image:
    stored = io.BytesIO()
    figure.savefig(stored, format="png", dpi=PIXELS_PER_INCH)
    return Image.open(stored).convert("RGB")
