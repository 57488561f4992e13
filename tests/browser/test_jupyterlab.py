"""What a reader does: open each notebook in JupyterLab, run it by the menu, drag, draw, jump, answer."""

import json
import re
import shutil
from pathlib import Path

import nbformat
import pytest

from reading import code_cells, pictures, solved_exercise
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
ERROR = '.jp-OutputArea-output[data-mime-type*="err"]'

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on a copy of the notebooks, with none of this user's settings."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns(".*"))
    for name, settings in SETTINGS.items():
        (folder / "settings" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "settings" / name).write_text(json.dumps(settings))
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    environment = {variable: str(folder / name) for variable, name in places.items()}
    with jupyterlab(folder=folder / "notebooks", PYTHONPATH=str(ROOT), **environment) as server:
        yield server, folder / "notebooks"


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request, lab, browser):
    """A notebook's page, all its cells run by the menu, and the file that it was saved to."""
    server, folder = lab
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(MINUTE / 4)
    page.goto(f"http://127.0.0.1:{server.port}/lab/tree/{request.param.name}?token={server.token}&reset")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=MINUTE)
    wait_until_idle(page)
    menu(page, "Edit", "Clear Outputs of All Cells")
    assert page.locator(".jp-NotebookPanel .jp-OutputArea-output").count() == 0
    menu(page, "Run", "Run All Cells")
    wait_until_all_cells_ran(page)
    path = folder / request.param.name
    path.unlink()
    menu(page, "File", "Save Notebook")
    wait_until_written(page, path)
    yield page, path
    page.close()


def menu(page, name, item):
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile(f"^{name}$")).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{item}$")).click()


def wait_until_all_cells_ran(page):
    page.wait_for_function(ENDED, timeout=10 * MINUTE)
    wait_until_idle(page)
    if not re.search(r"\d", page.locator(".jp-CodeCell .jp-InputPrompt").last.inner_text()):
        pytest.fail("a cell failed, and the rest was left out:\n" + page.locator(ERROR).last.inner_text())


def wait_until_idle(page):
    idle = '.jp-Notebook-ExecutionIndicator[data-status="idle"]'
    page.wait_for_selector(idle, timeout=MINUTE, state="attached")


def wait_until_written(page, path):
    size = 0
    for _ in range(60):
        page.wait_for_timeout(500)
        before, size = size, path.stat().st_size if path.exists() else 0
        if size == before > 0:
            return
    pytest.fail(f"{path.name} was not saved")


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


def test_the_table_of_contents_leads_to_each_section(notebook):
    page, path = notebook
    headings = re.findall(r"^## (.+)$", "\n".join(cell.source for cell in nbformat.read(path, 4).cells), re.MULTILINE)
    assert headings
    page.locator('.lm-TabBar-tab[title^="Table of Contents"]').click()
    for heading in headings[1], headings[-1]:
        page.locator(".jp-TableOfContents .jp-tocItem-content", has_text=heading).first.click()
        shown = page.locator(".jp-RenderedMarkdown h2", has_text=heading).first
        wait_until_in_view(page, shown)


def wait_until_in_view(page, element):
    in_view = "element => { const y = element.getBoundingClientRect().y; return 0 < y && y < innerHeight }"
    page.wait_for_function(in_view, arg=element.element_handle())


def test_the_links_of_the_contents_lead_to_their_section(notebook):
    page, _ = notebook
    link = page.locator('.jp-RenderedMarkdown li a[href^="#"]:not(.jp-InternalAnchorLink)').last
    name = link.inner_text()
    link.click()
    shown = page.locator(".jp-RenderedMarkdown h2", has_text=name).first
    wait_until_in_view(page, shown)


def test_an_exercise_answers(notebook):
    page, path = notebook
    content = nbformat.read(path, as_version=4)
    solved = [(position, solved_exercise(content, cell)) for position, cell in enumerate(content.cells)]
    exercises = [(position, *found) for position, found in solved if found]
    if not exercises:
        assert path.name.startswith("05")
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
    last.locator(".jp-OutputArea", has_text=re.compile(r"^\s*1 of \d+ exercises solved")).wait_for(timeout=MINUTE)


def test_sliders_redraw_their_figure(notebook):
    page, path = notebook
    handles = page.locator(".jp-OutputArea .noUi-handle")
    if not handles.count():
        assert not path.name.startswith("01"), "the sliders are missing"
        pytest.skip("this notebook has no sliders")
    for index in range(handles.count()):
        handle = handles.nth(index)
        figure = handle.locator("xpath=ancestor::div[contains(@class, 'jp-CodeCell')]").locator("img")
        handle.scroll_into_view_if_needed()
        before = figure.get_attribute("src")
        drag(page, handle.bounding_box(), [(40, 0)])
        wait_for_another_picture(page, figure, before)


def wait_for_another_picture(page, figure, before):
    for _ in range(60):  # JupyterLab replaces the element, so there is none to watch
        page.wait_for_timeout(250)
        if figure.get_attribute("src") != before:
            return
    pytest.fail("the figure stayed as it was")


def drag(page, box, steps):
    """Press in the middle of the box, move by each step in turn, release."""
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
        assert not path.name.startswith("03"), "the pad is missing"
        pytest.skip("this notebook has no pad")
    figure = page.locator(".jp-Cell", has=pad).locator("img")
    pad.scroll_into_view_if_needed()
    before = figure.get_attribute("src")
    drag(page, pad.bounding_box(), [(0, -90), (0, 200)])  # a one
    wait_for_another_picture(page, figure, before)
    assert 0.03 < pad.evaluate(INK) < 0.1  # a line of 20 by 200 pixels, of 280 by 280
    first = figure.get_attribute("src")
    page.get_by_role("button", name="Clear").click()
    wait_for_another_picture(page, figure, first)
    example = figure.get_attribute("src")
    drag(page, pad.bounding_box(), [(-50, -80), (100, 0), (-60, 180)])
    wait_for_another_picture(page, figure, example)
