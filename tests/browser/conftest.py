"""A browser without a window. Run by ``make test-browser``, not by ``make test``."""

import os
import shutil
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def chromium_of(playwright):
    """The browser that CHROMIUM names, one of this machine's, or Playwright's own; None if there is none."""
    own = playwright.chromium.executable_path
    candidates = [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES), own if Path(own).exists() else None]
    return next((candidate for candidate in candidates if candidate), None)


@pytest.fixture(scope="session")
def browser():
    reason = "needs Playwright: pip install -r requirements-dev.txt"
    playwright_api = pytest.importorskip("playwright.sync_api", reason=reason)
    with playwright_api.sync_playwright() as playwright:
        if (path := chromium_of(playwright)) is None:
            pytest.skip("needs Chromium, and none was found: see CONTRIBUTING.md")
        sandbox = [] if os.name == "nt" or os.geteuid() else ["--no-sandbox"]  # root cannot have one
        browser = playwright.chromium.launch(executable_path=path, args=sandbox)
        yield browser
        browser.close()
