"""The page of a dataset check in a real Chromium: everyone can read it, nothing foreign runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.test_pages import shapes
from tests.support.pages.planted_check import WRONG
from tests.support.pages.visit import serious_findings, visit


@pytest.mark.parametrize(("width", "dark"), shapes("wide-dark"))
def test_it_is_accessible_in_every_shape(
    browser: Browser, check: Path, width: int, dark: bool
) -> None:
    with visit(browser, check, width, dark) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert serious_findings(page) == []
        page.locator("#wrong .picture").first.click()
        assert serious_findings(page, "#viewer") == []


def test_the_likely_wrong_labels_are_stepped_through_in_their_order(
    browser: Browser, check: Path
) -> None:
    with visit(browser, check) as page:
        page.locator("#wrong .picture").first.focus()
        page.keyboard.press("Enter")
        seen = []
        for _ in WRONG:
            seen.append(page.locator("#viewer .more .path").inner_text())
            page.keyboard.press("ArrowRight")
        assert seen == list(WRONG)
