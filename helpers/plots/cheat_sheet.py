"""A printable page: columns of heads, code, tables and drawings, whose lines stand on one grid."""

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from helpers.plots.style import ACCENT, FORWARD, GRADIENT, INK, MUTED, PIXELS_PER_INCH, show_png

# Lengths are in points, 72 to an inch.
A4 = 210 / 25.4 * 72, 297 / 25.4 * 72
MARGIN, GUTTER = 10 / 25.4 * 72, 20
LINE = 11.25  # from one baseline to the next
SIZE = 9  # of the smallest text
CHARACTER = 0.602 * SIZE  # width of each in code
GROUND = "0.955"  # behind code
MATH = {  # Python's arithmetic, and what Matplotlib's mathematics has for it
    r"(padding|stride)": r"\\mathrm{\1}",
    r"\bmax\b": r"\\max",
    r"_new\b": "′",
    r"(\w)_hat": r"\\hat{\1}",
    r"\*\*(\w+)": r"^\1",
    r"([\d)])\*\\": r"\1\\,\\",  # a thin space before a word
    r"\*": "",
    r",\)": "{,})",
    r"β(\d)": r"β_\1",
    r"sqrt\((.+?)\)": r"√\1",
    r"exp\((.+?)\)": r"e^{\1}",
    r"floor\((.+)\)": r"\\lfloor \1 \\rfloor",
    r"(?<=[wvsm]) = ": r" \\leftarrow ",
}
JUMP = 0.3  # a larger difference between two neighboring points of a derivative is a jump: no line joins them


class Column:
    """A column of a page, filled from above: each part moves ``y``, the last baseline, down by lines of the grid.

    Args:
        paper: Axes that cover the page, in points, with y downward.
        left: Left edge.
        width: Width.
        y: Where the first line hangs.
    """

    def __init__(self, paper: Axes, left: float, width: float, y: float):
        self.paper, self.left, self.width, self.y = paper, left, width, y

    def split(self, count: int) -> list["Column"]:
        """Equal columns side by side, from here on."""
        width = (self.width - (count - 1) * GUTTER) / count
        return [Column(self.paper, self.left + n * (width + GUTTER), width, self.y) for n in range(count)]

    def skip(self, lines: float = 1) -> None:
        """Leave room for this many lines."""
        self.y += lines * LINE

    def head(self, title: str, note: str = "") -> None:
        """Write a title below a rule, and a note at its right; two lines."""
        self.skip(0.6)
        self._rule(self.y, color=ACCENT, linewidth=0.9)
        self.skip()
        self._write(0, title, color=ACCENT, weight="bold", fontsize=11)
        self._write(self.width, note, color=MUTED, ha="right")
        self.skip(0.4)

    def code(self, text: str) -> None:
        """Write lines of Python on a tinted ground, comments in gray; one more line than there are."""
        lines = text.strip("\n").splitlines()
        size = self.width, (len(lines) + 0.8) * LINE
        self.paper.add_patch(Rectangle((self.left, self.y), *size, facecolor=GROUND, linewidth=0))
        for line in lines:
            self.skip()
            code, sign, comment = line.partition("#")
            self._write(6, f"`{code.rstrip()}")
            self._write(6 + CHARACTER * len(code), f"`{sign}{comment}", color=MUTED)
        self.skip()

    def table(self, rows: Sequence[Sequence[str]], places: Sequence[float | None], *, header: bool = False) -> None:
        """Write rows of cells: code after a backquote, Python's arithmetic between dollar signs, or plain text.

        Args:
            rows: Cells of each row; a row without cells is a thin rule.
            places: Where the cells begin, from the left edge; None has them end at the right edge.
            header: Whether the first row names the columns.
        """
        for number, row in enumerate(rows):
            color = MUTED if header and number == 0 else INK
            self.skip(bool(row))
            for place, cell in zip(places, row):
                at_end = {"ha": "right"} if place is None else {}
                self._write(self.width if place is None else place, cell, color=color, **at_end)
            if color == MUTED or not row:
                self._rule(self.y + 0.28 * LINE, color="0.8", linewidth=0.5)

    def axes(self, lines: float, *, left: float = 0, width: float | None = None) -> Axes:
        """Empty axes below the last line, which don't move ``y``.

        Args:
            lines: Height in lines.
            left: Distance from the column's left edge.
            width: Width; None reaches to the right edge.
        """
        corner = self.left + left, A4[1] - self.y - lines * LINE
        size = self.width - left if width is None else width, lines * LINE
        ax = self.paper.figure.add_axes([part / A4[n % 2] for n, part in enumerate((*corner, *size))])
        ax.grid(visible=False)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        return ax

    def _rule(self, y: float, **look: object) -> None:
        self.paper.plot([self.left, self.left + self.width], [y, y], solid_capstyle="butt", **look)

    def _write(self, x: float, text: str, **look: object) -> None:
        look = {"fontsize": SIZE, "family": "monospace" if text.startswith("`") else "sans-serif"} | look
        text = re.sub(r"\$(.+?)\$", lambda found: as_math(found[1]), text.strip("`"))
        if text:
            self.paper.text(self.left + x, self.y, text, **look)


def as_math(code: str) -> str:
    """Python's arithmetic as a formula for Matplotlib: ``n_new`` is n′, ``m_hat`` is m̂, ``w = …`` is an update."""
    for pattern, replacement in MATH.items():
        code = re.sub(pattern, replacement, code)
    return f"${code}$"


def new_page(title: str, foot: tuple[str, str]) -> tuple[Figure, Column]:
    """An upright page of A4 with a title, and the column that fills it.

    Args:
        title: Title.
        foot: What stands at the lower edge, at the left and at the right.
    """
    figure = Figure(figsize=(A4[0] / 72, A4[1] / 72))
    figure.set_layout_engine("none")
    paper = figure.add_axes([0, 0, 1, 1])
    paper.set(xlim=(0, A4[0]), ylim=(A4[1], 0))
    paper.axis("off")
    page = Column(paper, MARGIN, A4[0] - 2 * MARGIN, A4[1] - MARGIN)
    page._write(0, foot[0], color=MUTED)
    page._write(page.width, foot[1], color=MUTED, ha="right")
    page.y = MARGIN + 15
    page._write(0, title, weight="bold", fontsize=20)
    page.skip(0.5)
    return figure, page


def show_page(figure: Figure, alt: str) -> None:
    """Display a page like ``show``, in 256 colors: so large a picture would swell the notebook otherwise.

    Args:
        figure: Figure of matplotlib.
        alt: Description of the page in one sentence.
    """
    figure.savefig(drawn := io.BytesIO(), format="png", dpi=2 * PIXELS_PER_INCH)
    picture, program = Image.open(drawn), PngInfo()
    program.add_text("Software", picture.info["Software"])  # which Matplotlib drew it
    few_colors = picture.convert("RGB").quantize(256, method=Image.Quantize.MEDIANCUT)
    few_colors.save(stored := io.BytesIO(), format="png", pnginfo=program, optimize=True)
    show_png(stored.getvalue(), alt, width=round(figure.get_figwidth() * PIXELS_PER_INCH))


def draw_function(ax: Axes, function: Callable[[Tensor], Tensor]) -> None:
    """Draw an elementwise function and, dashed, its derivative by autograd, on squares of side 1.

    Args:
        ax: Axes to draw into.
        function: Elementwise function of a tensor.
    """
    x = torch.linspace(-4, 4, 401, dtype=torch.float64, requires_grad=True)
    y = function(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    jumps = slope.diff(prepend=slope[:1]).abs() > JUMP
    ax.plot(x.detach(), slope.masked_fill(jumps, math.nan), color=GRADIENT, linewidth=1, linestyle=(0, (3, 1.5)))
    ax.plot(x.detach(), y.detach(), color=FORWARD, linewidth=1.5)
    ax.set(xlim=(-4, 4), ylim=(-1.2, 2.7), xticks=range(-4, 5), yticks=range(-1, 3), aspect="equal")
    ax.tick_params(length=0, labelbottom=False, labelleft=False)
    ax.grid(visible=True, color="0.9", linewidth=0.5)


def draw_paths(ax: Axes, surface: Callable[[Tensor], Tensor], paths: Mapping[str, Tensor]) -> None:
    """Draw the contours of a loss, its minimum at 0, and paths that are named at their starts.

    Args:
        ax: Axes to draw into, with limits.
        surface: Loss as a function of two parameters, given as a tensor (2, ...).
        paths: For each name, the path (steps + 1, 2).
    """
    # All is rounded, so that contours don't depend on what a processor makes of the last digits.
    x, y = (torch.linspace(*limits, 121).double().round(decimals=4) for limits in (ax.get_xlim(), ax.get_ylim()))
    heights = surface(torch.stack(torch.meshgrid(x, y, indexing="xy"))).sqrt().round(decimals=6)
    ax.contour(x, y, heights, levels=8, colors="0.82", linewidths=0.6)
    ax.plot(0, 0, "+", color=INK, markersize=6, zorder=3)
    for number, (name, path) in enumerate(paths.items()):
        ax.plot(*path.T, color=f"C{number}", linewidth=1, marker="o", markersize=1.8, markeredgewidth=0)
        begin, side = path[0].tolist(), math.copysign(1, path[0, 1])
        look = {"ha": "right" if begin[0] > 0 else "left", "va": "bottom" if side > 0 else "top"}
        ax.annotate(name, begin, (0, 3 * side), textcoords="offset points", color=f"C{number}", fontsize=SIZE, **look)
