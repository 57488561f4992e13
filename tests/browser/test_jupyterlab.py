"""What a reader does: open each notebook in JupyterLab, run it by the menu, drag, draw, jump, answer."""

import json
import re
import shutil
from pathlib import Path

import nbformat
import pytest

from notebook_io import code_cells, pictures, solved_exercise
from servers import jupyterlab

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MINUTE = 60_000  # milliseconds
# All cells are in the page, not only those in view.
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {"fetchNews": "false"},
}

# The fraction of a canvas's pixels that are dark.
INK = """canvas => {
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    const red = pixels.filter((_, place) => place % 4 == 0);
    return red.filter(value => value < 100).length / red.length;
}"""

# Some cells have run, and none is waiting for its turn.
ENDED = """() => {
    const prompts = [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")].map(prompt => prompt.textContent);
    return prompts.some(text => /\\d/.test(text)) && !prompts.some(text => text.includes("*"));
}"""
IN_VIEW = "heading => { const { y } = heading.getBoundingClientRect(); return 0 < y && y < innerHeight }"
ERROR = '.jp-OutputArea-output[data-mime-type*="err"]'

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on a copy of what the notebooks need, with none of this user's settings."""
    folder = tmp_path_factory.mktemp("lab")
    for name in ("notebooks", "helpers", "data"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    for name, settings in SETTINGS.items():
        (folder / "LAB_SETTINGS" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "LAB_SETTINGS" / name).write_text(json.dumps(settings))
    places = ("_CONFIG", "LAB_SETTINGS", "LAB_WORKSPACES")
    environment = {f"JUPYTER{name}_DIR": str(folder / name) for name in places}
    with jupyterlab(folder=folder / "notebooks", **environment) as server:
        yield server, folder / "notebooks"


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request, lab, browser):
    """A notebook's page, all its cells run by the menu, and the file that it was saved to."""
    server, folder = lab
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(MINUTE)
    page.goto(f"{server['url']}lab/tree/{request.param.name}?token={server['token']}&reset")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=MINUTE)
    wait_until_idle(page)
    menu(page, "Edit", "Clear Outputs of All Cells")
    assert page.locator(".jp-NotebookPanel .jp-OutputArea-output").count() == 0
    menu(page, "Run", "Run All Cells")
    wait_until_all_cells_ran(page)
    path = folder / request.param.name
    path.unlink()
    menu(page, "File", "Save Notebook")
    wait_until(page, lambda: is_whole(path), f"{path.name} was not saved")
    yield page, path
    page.close()


def menu(page, name, item):
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile(f"^{name}$")).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{item}$")).click()


def wait_until_all_cells_ran(page):
    page.wait_for_function(ENDED, timeout=10 * MINUTE)
    for _ in range(3):  # folded cells show no prompt, and between two cells the kernel is idle for a moment
        page.wait_for_timeout(300)
        wait_until_idle(page)
    prompts = filter(None, page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts())  # folded cells show none
    if not re.search(r"\d", list(prompts)[-1]):
        pytest.fail("a cell failed, and the rest was left out:\n" + page.locator(ERROR).last.inner_text())


def wait_until_idle(page):
    page.get_by_text("(ipykernel) | Idle").wait_for(timeout=2 * MINUTE)  # in the status bar


def wait_until(page, fulfilled, what):
    """JupyterLab replaces pictures and files as wholes, so there is no element to watch."""
    for _ in range(120):
        if fulfilled():
            return
        page.wait_for_timeout(250)
    pytest.fail(what)


def is_whole(path):
    try:
        return bool(nbformat.read(path, as_version=4).cells)
    except (OSError, ValueError):
        return False


def test_all_cells_ran_without_an_error(notebook):
    _, path = notebook
    asked_for = nbformat.read(ROOT / "notebooks" / path.name, as_version=4)
    ran = nbformat.read(path, as_version=4)
    for before, after in zip(code_cells(asked_for), code_cells(ran), strict=True):
        assert after.execution_count == before.execution_count
        assert {output.get("name") for output in after.outputs} <= {"stdout", None}, after.outputs
        raises = "raises-exception" in after.metadata.get("tags", [])
        assert any(output.output_type == "error" for output in after.outputs) == raises, after.outputs


def test_every_figure_is_visible(notebook):
    page, path = notebook
    asked_for = nbformat.read(ROOT / "notebooks" / path.name, as_version=4)
    expected = [output.metadata["image/png"]["width"] for output in pictures(asked_for)]
    # JupyterLab 4.6 leaves out the alternative text that the outputs hold; the book's pages have it.
    shown = page.locator(".jp-OutputArea img").evaluate_all("images => images.map(i => [i.width, i.naturalWidth])")
    assert [width for width, _ in shown] == expected
    assert all(natural > 0 for _, natural in shown)


def test_the_table_of_contents_and_the_links_lead_to_their_section(notebook):
    page, path = notebook
    headings = re.findall(r"^## (.+)$", "\n".join(cell.source for cell in nbformat.read(path, 4).cells), re.MULTILINE)
    assert headings
    page.locator('.lm-TabBar-tab[title^="Table of Contents"]').click()
    in_contents = page.locator(".jp-TableOfContents .jp-tocItem-content")
    link = page.locator('.jp-RenderedMarkdown li a[href^="#"]:not(.jp-InternalAnchorLink)').last
    for heading, way in (
        (headings[1], in_contents.filter(has_text=headings[1]).first),
        (headings[-1], in_contents.filter(has_text=headings[-1]).first),
        (link.inner_text(), link),
    ):
        way.click()
        shown = page.locator(".jp-RenderedMarkdown h2", has_text=heading).first
        page.wait_for_function(IN_VIEW, arg=shown.element_handle())


def test_an_exercise_answers(notebook):
    page, path = notebook
    content = nbformat.read(path, as_version=4)
    solved = [(position, solved_exercise(content, cell)) for position, cell in enumerate(content.cells)]
    exercises = [(position, *found) for position, found in solved if found]
    if not exercises:
        assert "cheat_sheet" in path.name, "the exercises are missing"
        pytest.skip("this notebook has no exercises")
    position, exercise, solution = exercises[0]
    cell = page.locator(".jp-Notebook .jp-Cell").nth(position)
    assert "your turn" in cell.locator(".jp-OutputArea").inner_text()
    cell.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(f"{content.cells[position].source}\n{solution}")
    page.keyboard.press("Control+Enter")
    cell.locator(".jp-OutputArea", has_text=f"Exercise {exercise}: right.").wait_for(timeout=MINUTE)
    last = page.locator(".jp-CodeCell").last
    last.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    last.locator(".jp-OutputArea", has_text=re.compile(r"\b1 of \d+ exercises solved")).wait_for(timeout=MINUTE)


def test_sliders_redraw_their_figure(notebook):
    page, path = notebook
    handles = page.locator(".jp-OutputArea .noUi-handle")
    if not handles.count():
        assert path.name[:2] not in ("01", "03"), "the sliders are missing"
        pytest.skip("this notebook has no sliders")
    for handle in handles.all():
        figure = handle.locator("xpath=ancestor::div[contains(@class, 'jp-CodeCell')]").locator("img")
        redrawn(page, figure, lambda handle=handle: drag(page, handle, [(40, 0)]))


def redrawn(page, figure, change):
    """Change something, and wait until the figure is another picture."""
    before = figure.get_attribute("src")
    change()
    wait_until(page, lambda: figure.get_attribute("src") != before, "the figure stayed as it was")


def drag(page, element, steps):
    """Press in the middle of an element, move by each step in turn, release."""
    element.scroll_into_view_if_needed()
    box = element.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for right, down in steps:
        x, y = x + right, y + down
        page.mouse.move(x, y, steps=10)
    page.mouse.up()


def test_a_digit_drawn_on_the_pad_is_read(notebook):
    page, path = notebook
    pad = page.locator(".jp-OutputArea canvas")
    if not pad.count():
        assert "convnet" not in path.name, "the pad is missing"
        pytest.skip("this notebook has no pad")
    figure = page.locator(".jp-Cell", has=pad).locator("img")
    redrawn(page, figure, lambda: drag(page, pad, [(0, -90), (0, 200)]))  # a one
    assert 0.03 < pad.evaluate(INK) < 0.1  # a line of 20 by 200 pixels, of 280 by 280
    redrawn(page, figure, page.get_by_role("button", name="Clear").click)
    redrawn(page, figure, lambda: drag(page, pad, [(-50, -80), (100, 0), (-60, 180)]))
