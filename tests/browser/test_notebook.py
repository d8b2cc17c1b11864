"""What a notebook displays, in a real Chromium: it has the notebook's colours and any width, and
whatever names are in it, nothing runs and nothing is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

import hangtag
from tests.browser.test_pages import shapes
from tests.support.pages.planted import plant
from tests.support.pages.visit import serious_findings, visit

#: As notebooks have them.
GROUNDS = {False: ("#ffffff", "#1f1f1f"), True: ("#111111", "#e0e0e0")}


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A result with everything that it can have."""
    table = plant(tmp_path_factory.mktemp("planted"))
    return hangtag.open_table(table)._repr_html_()


@pytest.mark.parametrize(("width", "dark"), shapes("narrow-dark"))
def test_a_result_can_be_read_in_each_shape(
    browser: Browser, part: str, tmp_path: Path, width: int, dark: bool
) -> None:
    ground, text = GROUNDS[dark]
    page_file = tmp_path / "notebook.html"
    page_file.write_text(
        f'<!doctype html><html lang="en"><title>notebook</title><body style="background: {ground}; '
        f'color: {text}; margin: 0"><main><h1>cell</h1>{part}</main></body></html>',
        errors="replace",
    )
    with visit(browser, page_file, width, dark) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("img").count() > 3
        assert page.locator("script").count() == 0
        assert serious_findings(page) == []
