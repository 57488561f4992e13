"""Parts of a page stand on its grid; the page of notebook 11 is legible, and the stored PDF is what the code draws."""

import io
import re
import zlib
from contextlib import chdir
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import torch
import torch.nn.functional as F
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from matplotlib.transforms import Affine2D
from PIL import Image

from helpers import plots
from helpers.plots import cheat_sheet
from helpers.plots.cheat_sheet import A4, CHARACTER, LINE, MARGIN, SIZE, as_math
from helpers.plots.style import MUTED

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"


@pytest.fixture
def page():
    return plots.new_page("Title", ("left", "right"))[1]


def texts(column):
    return column.paper.texts[3:]  # after the title and what stands at the foot


def test_columns_are_equal_and_their_lines_stand_on_one_grid(page):
    left, right = page.split(2)
    assert left.width == right.width and left.left == MARGIN and right.left + right.width == A4[0] - MARGIN
    top = page.y
    left.head("Head")
    left.code("a = 1\nb = 2")
    right.head("Head", "note")
    right.table([("one",), (), ("two",), ("three",)], (0,))
    assert left.y == right.y == pytest.approx(top + 5 * LINE)
    head, first, second, _, note, *rows = texts(page)
    assert [text.get_position()[1] for text in (first, second)] == [text.get_position()[1] for text in rows[:2]]
    assert head.get_position() == (left.left, note.get_position()[1])


def test_comments_are_gray_and_stand_where_they_are_written(page):
    page.code("x = 1    # one\n    # two\n")
    code, comment, lone = texts(page)
    assert [text.get_text() for text in (code, comment, lone)] == ["x = 1", "# one", "# two"]
    assert comment.get_color() == lone.get_color() == MUTED != code.get_color()
    starts = [text.get_position()[0] - code.get_position()[0] for text in (comment, lone)]
    assert starts == pytest.approx([9 * CHARACTER, 4 * CHARACTER])
    assert all(text.get_family() == ["monospace"] for text in texts(page))
    (ground,) = page.paper.patches
    assert (
        ground.get_y() < code.get_position()[1] - SIZE and ground.get_y() + ground.get_height() > lone.get_position()[1]
    )


def test_cells_are_code_formulas_or_words(page):
    page.table([("layer", "count"), ("`f(x)", "$2*C$ numbers")], (10, None), header=True)
    header, _, code, formula = texts(page)
    assert header.get_color() == MUTED != code.get_color()
    assert (code.get_text(), code.get_family()) == ("f(x)", ["monospace"])
    assert (formula.get_text(), formula.get_ha()) == ("$2C$ numbers", "right")
    assert code.get_position()[0] == page.left + 10 and formula.get_position()[0] == page.left + page.width


def test_axes_lie_below_the_last_line(page):
    page.skip(3)
    box = page.axes(4, left=50, width=100).get_position()
    assert (box.x0 * A4[0], box.width * A4[0]) == pytest.approx((page.left + 50, 100))
    assert (A4[1] * (1 - box.y1), box.height * A4[1]) == pytest.approx((page.y, 4 * LINE))
    assert page.axes(1).get_position().width * A4[0] == pytest.approx(page.width)


FORMULAS = {
    "O*C*k**2 + O": "$OCk^2 + O$",
    "(N, n_new) (N,)": "$(N, n′) (N{,})$",
    "(n - 1)*stride - 2*padding": r"$(n - 1)\,\mathrm{stride} - 2\,\mathrm{padding}$",
    "floor(n/stride) + 1": r"$\lfloor n/\mathrm{stride} \rfloor + 1$",
    "1/(1 + exp(-x))": "$1/(1 + e^{-x})$",
    "max(0.1*x, x)": r"$\max(0.1x, x)$",
    "w = w - η*m_hat/(sqrt(s_hat) + ε)": r"$w \leftarrow w - η\hat{m}/(√\hat{s} + ε)$",
    "n_new = m/(1 - β1**t)": "$n′ = m/(1 - β_1^t)$",
}


@pytest.mark.parametrize(("code", "expected"), FORMULAS.items())
def test_arithmetic_becomes_a_formula(code, expected):
    assert as_math(code) == expected


def test_a_function_has_its_derivative():
    lines = {}
    for name, function in {"relu": F.relu, "tanh": torch.tanh}.items():
        _, ax = plots.new_figure()
        plots.draw_function(ax, function)
        lines[name] = [torch.tensor(line.get_ydata()) for line in ax.lines]
    x = torch.linspace(-4, 4, 401, dtype=torch.float64)
    torch.testing.assert_close(lines["tanh"], [1 - x.tanh() ** 2, x.tanh()])
    slope, relu = lines["relu"]
    torch.testing.assert_close(relu, x.clamp(min=0))
    jump = slope.isnan()
    assert jump.sum() == 1 and torch.equal(slope[~jump], (x > 0)[~jump].double())


def test_paths_are_named_at_their_starts_in_their_colors():
    _, ax = plots.new_figure()
    ax.set(xlim=(-4, 4), ylim=(-4, 4))
    paths = {"up": torch.tensor([[-3.0, 2.0], [0.0, 0.0]]), "down": torch.tensor([[3.0, -2.0], [1.0, 0.0]])}
    plots.draw_paths(ax, lambda w: (w**2).sum(dim=0), paths)
    for line, text, (name, path) in zip(ax.lines[1:], ax.texts, paths.items(), strict=True):
        assert line.get_xydata().tolist() == path.tolist() and line.get_color() == text.get_color()
        assert text.get_text() == name and text.xy == tuple(path[0].tolist())
    assert [text.get_ha() for text in ax.texts] == ["left", "right"]


def build(folder):
    """What notebook 11's cells make, up to the one that shows the page and stores it."""
    names = {}
    cells = [
        cell
        for cell in nbformat.read(FOLDER / "11_cheat_sheet_and_glossary.ipynb", 4).cells
        if cell.cell_type == "code"
    ]
    (last,) = [number for number, cell in enumerate(cells) if "plots.show_page(" in cell.source]
    with chdir(folder):
        for cell in cells[1 : last + 1]:  # the first one only finds the helpers
            exec(cell.source, names)  # noqa: S102 - the notebook's own code
    return SimpleNamespace(figure=names["figure"], pdf=Path(folder, "cheat_sheet.pdf").read_bytes())


@pytest.fixture(scope="module")
def sheet(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "show_page", lambda figure, alt: None)
        first, second = (build(tmp_path_factory.mktemp("sheet")) for _ in range(2))
    assert first.pdf == second.pdf
    return first


def drawn(pdf):
    """What a PDF draws, whatever compressed it: its streams, with lengths rounded to a hundredth of a point."""
    streams = map(zlib.decompress, re.findall(rb"stream\n(.*?)\nendstream", pdf, flags=re.DOTALL))
    return [re.sub(rb"\d+\.\d+", lambda number: b"%.2f" % float(number[0]), stream) for stream in streams]


def program(pdf):
    return re.search(rb"/Producer \((.+?)\)", pdf)[1]


def test_the_stored_pdf_is_what_the_notebook_draws(sheet):
    stored = (FOLDER / "cheat_sheet.pdf").read_bytes()
    if program(stored) != program(sheet.pdf):
        pytest.skip(f"the stored page is by {program(stored).decode()}: another version may place text otherwise")
    assert len(drawn(stored)) > 100 and drawn(stored) == drawn(sheet.pdf)


def test_the_pdf_is_one_page_of_a4_in_fonts_that_it_brings_along(sheet):
    assert sheet.pdf.count(b"/Type /Page ") == 1 and len(sheet.pdf) < 150_000
    sides = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", sheet.pdf).groups()
    assert [float(side) for side in sides] == pytest.approx([595.28, 841.89], abs=0.01)
    assert {name[:6] for name in re.findall(rb"/FontName /[A-Z]{6}\+(\w+)", sheet.pdf)} == {b"DejaVu"}
    assert b"CreationDate" not in sheet.pdf


@pytest.mark.parametrize("dpi", [192, 720], ids=["in the notebook", "in print"])
def test_text_is_large_enough_and_neither_clipped_nor_overlapping(sheet, dpi):
    sheet.figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(sheet.figure)
    canvas.draw()
    seen = [text for text in sheet.figure.findobj(Text) if text.get_visible() and text.get_text()]
    assert len(seen) > 200 and min(text.get_fontsize() for text in seen) >= 9
    boxes = {
        text: text.get_window_extent(canvas.get_renderer()).transformed(Affine2D().scale(72 / dpi)) for text in seen
    }
    for text, box in boxes.items():
        assert box.x0 > MARGIN - 2 and box.x1 < A4[0] - MARGIN + 2, text
        assert box.y0 > MARGIN - 5 and box.y1 < A4[1] - MARGIN + 2, text
    for (text, box), (other, other_box) in combinations(boxes.items(), 2):
        wide = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
        high = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
        assert wide < 0.5 or high < 0.5, (text, other)


def test_a_page_is_shown_in_few_colors_and_names_the_program_that_drew_it(monkeypatch):
    shown = {}
    monkeypatch.setattr(
        cheat_sheet, "show_png", lambda picture, alt, width: shown.update(picture=picture, alt=alt, width=width)
    )
    figure, _ = plots.new_page("Title", ("left", "right"))
    plots.show_page(figure, "a page")
    picture = Image.open(io.BytesIO(shown["picture"]))
    assert (picture.mode, shown["alt"], shown["width"]) == ("P", "a page", 794)
    assert picture.size == (1587, 2245) and picture.info["Software"].startswith("Matplotlib version")
