"""The book, opened from the disk: whole, described, readable on a phone, and silent towards the network."""

import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

from notebook_io import code_cells, pictures

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "build" / "book"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = ["index.html", *(f"notebooks/{path.stem}.html" for path in NOTEBOOKS)]
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LOCAL = ("file:", "data:", "blob:")

pytestmark = pytest.mark.browser
each_page = pytest.mark.parametrize("name", PAGES)


@pytest.fixture(scope="module")
def book(browser):
    pytest.importorskip("sphinx", reason="needs Sphinx: pip install -r requirements-dev.txt")
    subprocess.run([sys.executable, "tools/make_book.py"], cwd=ROOT, check=True, timeout=300)


@pytest.fixture
def open_page(book, browser):
    """Open a page of the book; afterwards, no request may have left the machine, and no script have failed."""
    requests, errors, contexts = [], [], []

    def open_one(name, *, viewport=DESK, theme="light"):
        contexts.append(browser.new_context(viewport=viewport, color_scheme=theme))
        page = contexts[-1].new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto((BOOK / name).as_uri())
        page.wait_for_load_state("networkidle")
        if page.locator(".math").count():
            page.wait_for_selector("mjx-container", state="attached")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert [url for url in requests if not url.startswith(LOCAL)] == [] == errors


@pytest.mark.parametrize("theme", ["light", "dark"])
@each_page
def test_no_serious_fault_of_accessibility(open_page, name, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    violations = axe.Axe().run(open_page(name, theme=theme)).response["violations"]
    serious = [fault for fault in violations if fault["impact"] in ("serious", "critical")]
    assert not serious, [(fault["id"], fault["nodes"][0]["html"][:200]) for fault in serious]


@each_page
def test_a_phone_need_not_scroll_sideways(open_page, name):
    page = open_page(name, viewport=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_described_figures_tables_and_formulas_are_there(open_page, path):
    notebook = nbformat.read(path, as_version=4)
    page = open_page(f"notebooks/{path.stem}.html")
    figures = page.locator(".cell_output img").evaluate_all("images => images.map(i => [i.alt, i.naturalWidth])")
    assert [alt for alt, _ in figures] == [output.metadata["image/png"]["alt"] for output in pictures(notebook)]
    assert all(width > 0 for _, width in figures)
    outputs = [output.get("data", {}) for cell in code_cells(notebook) for output in cell.outputs]
    tables = sum("| --- |" in data.get("text/markdown", "") for data in outputs)
    assert page.locator(".cell_output table").count() == tables
    formulas = page.locator(".math").count()
    assert page.locator("mjx-container").count() == formulas
    assert formulas > 10 or path not in NOTEBOOKS[:3]
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0


@each_page
def test_every_link_within_the_book_leads_somewhere(open_page, name):
    links = open_page(name).locator("a[href]").evaluate_all("links => links.map(a => [a.protocol, a.pathname, a.hash])")
    inner = {(path, anchor) for protocol, path, anchor in links if protocol == "file:"}
    assert inner
    for path, anchor in inner:
        target = Path(unquote(path))
        assert target.is_file(), path
        assert not anchor or f'id="{anchor[1:]}"' in target.read_text(encoding="utf-8"), (path, anchor)


def test_search_finds_a_word_of_the_notebooks(open_page):
    page = open_page("index.html")
    page.locator("input[name=q]").fill("untyped_storage")
    page.locator("input[name=q]").press("Enter")
    page.locator("#search-results li a", has_text="tensor").first.click()
    assert "tensor_internals" in page.url


def test_the_theme_can_be_changed(open_page):
    page = open_page("index.html")
    background = "getComputedStyle(document.body).backgroundColor"
    seen = {page.evaluate(background)}
    for _ in range(3):  # as the system has it, light, dark
        page.locator("button.theme-toggle:visible").click()
        seen.add(page.evaluate(background))
    assert len(seen) == 2
