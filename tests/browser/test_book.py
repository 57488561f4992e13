"""The book, opened from the disk: whole, described, readable on a phone and in the dark, silent towards the network."""

import base64
import io
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from PIL import Image

from notebook_io import code_cells, pictures

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "build" / "book"
README = (ROOT / "README.md").read_text(encoding="utf-8")
NOTEBOOKS = sorted(f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb"))
SOURCES = {name.replace(".ipynb", ".html"): name for name in ["index.html", *NOTEBOOKS]}
LOOKS = {"desk, light": ((1280, 900), "light"), "phone, dark": ((390, 844), "dark")}
LOCAL = ("file:", "data:", "blob:")

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def book(browser):
    pytest.importorskip("sphinx", reason="needs Sphinx: pip install -r requirements-dev.txt")
    subprocess.run([sys.executable, "tools/make_book.py"], cwd=ROOT, check=True, timeout=300)


@contextmanager
def opened(browser, name, look):
    """A page of the book; afterwards, no request may have left the machine, and no script have failed."""
    requests, errors, ((width, height), theme) = [], [], LOOKS[look]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
    page = context.new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((BOOK / name).as_uri(), wait_until="load")
    if page.locator(".math").count():
        page.wait_for_function("!!window.MathJax?.startup?.promise")
        page.evaluate("MathJax.startup.promise")
    yield page
    context.close()
    assert [url for url in requests if not url.startswith(LOCAL)] == [] == errors


@pytest.fixture(scope="module", params=SOURCES)
def name(request):
    return request.param


@pytest.fixture(scope="module", params=LOOKS)
def page(book, browser, name, request):
    """Each page in each look, opened once for all tests."""
    with opened(browser, name, request.param) as page:
        yield page


@pytest.fixture(scope="module")
def source(name):
    """What a page was made of; the README is like a notebook with one cell."""
    if name == "index.html":
        return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(README)])
    return nbformat.read(ROOT / SOURCES[name], as_version=4)


# Code with no kind of token that an earlier cell has not: axe would judge each of thousands for its contrast.
HIDE_REPEATED = """boxes => {
    const seen = new Set();
    boxes.filter(box => {
        const kinds = [...box.querySelectorAll("span[class]")].map(token => token.className);
        const repeated = kinds.every(kind => seen.has(kind));
        kinds.forEach(kind => seen.add(kind));
        return repeated;
    }).forEach(box => box.style.display = "none");
}"""


def test_no_serious_fault_of_accessibility(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    page.locator("pre").evaluate_all(HIDE_REPEATED)
    violations = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    page.locator("pre").evaluate_all("boxes => boxes.forEach(box => box.style.display = '')")
    serious = [fault for fault in violations if fault["impact"] in ("serious", "critical")]
    assert not serious, [(fault["id"], fault["nodes"][0]["html"][:200]) for fault in serious]


def test_neither_the_page_nor_its_code_is_wider_than_the_screen(page):
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    wide = "boxes => boxes.filter(box => box.scrollWidth > box.clientWidth).map(box => box.textContent)"
    assert page.locator(".cell_input pre, .traceback pre").evaluate_all(wide) == []


def test_figures_are_described_and_sharp(page, source):
    figures = page.locator(".cell_output img").evaluate_all("all => all.map(i => [i.alt, i.naturalWidth / i.width])")
    assert [alt for alt, _ in figures] == [output.metadata["image/png"]["alt"] for output in pictures(source)]
    for (alt, density), output in zip(figures, pictures(source), strict=True):
        moves = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))).n_frames > 1
        assert density > (0.99 if moves else 1.99), alt


def test_tables_and_formulas_are_there(page, source, name):
    outputs = [output.get("data", {}) for cell in code_cells(source) for output in cell.outputs]
    tables = sum("| --- |" in data.get("text/markdown", "") for data in outputs)
    assert page.locator(".cell_output table").count() == tables
    formulas = page.locator(".math").count()
    assert page.locator("mjx-container").count() == formulas
    assert formulas > 10 or SOURCES[name] not in NOTEBOOKS[:3]
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0


def test_checks_and_solutions_are_folded(page, source):
    hidden = [cell for cell in source.cells if "hide-input" in cell.metadata.get("tags", [])]
    solutions = [cell for cell in source.cells if cell.cell_type == "markdown" and "<details>" in cell.source]
    assert page.locator("details.hide").count() == len(hidden[1:])  # without the first, which finds the repository
    assert page.locator("details:not(.hide)").count() == len(solutions)
    assert page.locator("details[open]").count() == 0


def test_pages_follow_each_other_and_stand_under_their_part(page, name):
    links = page.locator(".sidebar-tree a").evaluate_all("links => links.map(a => a.href.replace(/#$/, ''))")
    pages = [*SOURCES, "SETUP.html", "CONTRIBUTING.html", "CHANGELOG.html", "data/README.html"]
    assert links == [(BOOK / other).as_uri() for other in pages[1:]]
    assert page.locator("a.next-page").evaluate("a => a.href") == links[pages.index(name)]
    captions = page.locator(".sidebar-tree .caption").evaluate_all("all => all.map(caption => caption.textContent)")
    assert captions == ["Refresher", "PyTorch", "Training", "Faster", "Reference", "Project"]
    if name != "index.html":
        assert f"open {Path(SOURCES[name]).name}." in page.locator(".how-to-run").inner_text()


def test_every_link_within_the_book_leads_somewhere(page):
    links = page.locator("a[href]").evaluate_all("links => links.map(a => [a.protocol, a.pathname, a.hash])")
    inner = {(path, anchor) for protocol, path, anchor in links if protocol == "file:"}
    assert inner
    for path, anchor in inner:
        target = Path(unquote(path))
        assert target.is_file(), path
        assert not anchor or f'id="{anchor[1:]}"' in target.read_text(encoding="utf-8"), (path, anchor)


def test_the_cheat_sheet_can_be_printed(book):
    (sheet,) = BOOK.rglob("cheat_sheet*.pdf")
    assert sheet.read_bytes().startswith(b"%PDF")


def test_figures_do_not_glare_in_the_dark(book, browser):
    filters = []
    for look in LOOKS:
        with opened(browser, "index.html", look) as page:
            filters.append(page.locator("article img").first.evaluate("image => getComputedStyle(image).filter"))
    assert filters[0] == "none" and 0.7 < float(filters[1].removeprefix("brightness(").removesuffix(")")) < 0.95


def test_search_finds_a_word_of_the_notebooks(book, browser):
    with opened(browser, "index.html", "desk, light") as page:
        page.locator("input[name=q]").fill("untyped_storage")
        page.locator("input[name=q]").press("Enter")
        page.locator("#search-results li a", has_text="tensor").first.click()
        assert "tensor_internals" in page.url


def test_the_theme_can_be_changed(book, browser):
    background = "getComputedStyle(document.body).backgroundColor"
    with opened(browser, "index.html", "desk, light") as page:
        seen = {page.evaluate(background)}
        for _ in range(3):  # as the system has it, light, dark
            page.locator("button.theme-toggle:visible").click()
            seen.add(page.evaluate(background))
    assert len(seen) == 2
