"""A browser without a window. Run by ``make test-browser``, not by ``make test``."""

import os
import shutil
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture(scope="session")
def browser():
    """The browser that CHROMIUM names, one of this machine's, or Playwright's own."""
    reason = "needs Playwright: pip install -r requirements-dev.txt"
    playwright_api = pytest.importorskip("playwright.sync_api", reason=reason)
    with playwright_api.sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        candidates = [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES), own if Path(own).exists() else None]
        if not any(candidates):
            pytest.skip("needs Chromium, and none was found: see CONTRIBUTING.md")
        sandbox = [] if os.name == "nt" or os.geteuid() else ["--no-sandbox"]  # root cannot have one
        with playwright.chromium.launch(executable_path=next(filter(None, candidates)), args=sandbox) as browser:
            yield browser


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Each notebook in JupyterLab belongs to one process, and so does the book."""
    from xdist.scheduler import LoadScopeScheduling  # present where it asks for this

    class ByNotebook(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file, _, test = nodeid.partition("::")
            return test.rpartition("[")[2] if "jupyterlab" in file else file

    return ByNotebook(config, log)
