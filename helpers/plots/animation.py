"""Short animations, stored in a notebook as one picture."""

import io
from collections.abc import Iterable

from matplotlib.figure import Figure
from PIL import Image

from helpers.plots.style import PIXELS_PER_INCH, show_png


def show_animation(figures: Iterable[Figure], alt: str, *, frames_per_second: float = 10, colours: int = 256) -> None:
    """Display figures one after the other, for ever, as an animated PNG: it plays in JupyterLab and on a web page.

    Args:
        figures: the frames, all of one size; the last one, which stays for two seconds, gives the palette.
        alt: what the animation shows, in a sentence.
        frames_per_second: how fast it plays.
        colours: size of the palette, from 2 to 256; fewer make a smaller file.

    Raises:
        ValueError: if ``alt`` is empty or there is no frame.
    """
    frames = [_picture(figure) for figure in figures]
    if not frames:
        raise ValueError("no figures: an animation needs at least one frame")
    palette = frames[-1].quantize(colours, method=Image.Quantize.MAXCOVERAGE)
    frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    times = [1000 / frames_per_second] * (len(frames) - 1) + [2000]  # milliseconds
    stored = io.BytesIO()
    first, *others = frames
    first.save(stored, format="PNG", save_all=True, append_images=others, duration=times, loop=0, optimize=True)
    show_png(stored.getvalue(), alt, width=first.width, kind="Animation")


def _picture(figure: Figure) -> Image.Image:
    stored = io.BytesIO()
    figure.savefig(stored, format="png", dpi=PIXELS_PER_INCH)
    return Image.open(stored).convert("RGB")
