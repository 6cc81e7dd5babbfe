"""A real Chromium for the tests, which notes whatever a page should not do."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = "MORBENCH_CHROMIUM"  # the path of one of your own
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
PATIENCE = 60_000  # milliseconds: the machine may be busy


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Headless Chromium: the one that is named, installed, or playwright's own; without any, the test is skipped."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        path = os.environ.get(CHROMIUM) or next(filter(None, map(shutil.which, NAMES)), own)
        if not Path(path).exists():
            pytest.skip(f"no Chromium: apt-get install chromium, or set {CHROMIUM}")
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        yield browser
        browser.close()


class Watched:
    """A page of one person, who has nothing open elsewhere, and what it did that it must not do."""

    def __init__(self, browser: Browser, allowed: str) -> None:
        """Requests to addresses that don't start with `allowed` are stopped and noted."""
        self.wrong: list[str] = []
        self.context: BrowserContext = browser.new_context(viewport={"width": 1360, "height": 800})
        self.context.set_default_timeout(PATIENCE)
        self.context.on("request", lambda request: self._request(request.url, allowed))
        self.context.route(lambda address: not address.startswith(allowed), lambda route: route.abort())
        self.context.on("page", self._watch)
        self.page: Page = self.context.new_page()

    def _request(self, address: str, allowed: str) -> None:
        if not address.startswith((allowed, "data:", "blob:")):
            self.wrong.append(f"request to {address[:200]}")

    def _watch(self, page: Page) -> None:
        if len(self.context.pages) > 1:
            self.wrong.append(f"a window was opened: {page.url}")
        page.on("dialog", lambda dialog: (self.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))

    def misdeeds(self) -> list[str]:
        """Foreign requests, dialogs, windows, and flags that a script has set in any frame."""
        flags = [frame.url for frame in self.page.frames if frame.evaluate("window.broken !== undefined")]
        return [*self.wrong, *(f"a script ran in {address}" for address in flags)]

    def close(self) -> None:
        """Sign out by forgetting everything."""
        self.context.close()
