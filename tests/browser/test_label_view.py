"""The page for first labels in a real Chromium: room for pictures, keys, ways back, its heading;
readable by everyone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_pages import shapes
from tests.support.pages.label_tab import (
    decide,
    display_naming,
    given,
)
from tests.support.pages.planted_folder import PlantedFolder
from tests.support.pages.visit import NARROW, opened, serious_findings
from tests.support.processes.label_server import Label

#: A name as long as that of a folder may be, written from right to left.
LONG = "\u0642" * 100


@pytest.mark.parametrize(
    ("pictures", "least"), [(1, 400), (5, 200), (6, 190), (12, 150), (24, 120)]
)
def test_pictures_are_as_large_as_the_page_allows_without_scrolling(
    browser: Browser, label: Label, pictures: int, least: int
) -> None:
    with opened(browser, label) as page:
        page.set_viewport_size({"width": 1280, "height": 850})
        display_many(page, pictures)
        assert side(page) >= least
        assert scrolled_pixels(page) == 0
        loaded = page.locator(".tile img").first.get_attribute("src") or ""
        assert side(page) <= int(re.search(r"side=(\d+)", loaded)[1]) * 1.2  # type: ignore[index]
        page.set_viewport_size({"width": NARROW, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
        assert side(page) >= min(least, 120)
        if pictures == 24:  # there is no room for all
            assert scrolled_pixels(page) > 0


def display_many(page: Page, number: int) -> None:
    """Show pictures as if the server had chosen them for a label."""
    page.evaluate(
        """number => showPage({ why: "label", label: "red", items: Array.from({ length: number },
            (_, item) => ({ ...state.items[0], item, confidence: 0.9 })) })""",
        number,
    )
    expect(page.locator(".tile")).to_have_count(number)


def side(page: Page) -> float:
    """The smallest side of a picture, in pixels, once the page has its columns."""
    page.wait_for_timeout(100)
    sides = page.locator(".tile .frame").evaluate_all("all => all.map(one => one.clientWidth)")
    return float(min(sides))


def scrolled_pixels(page: Page) -> int:
    return int(
        page.evaluate(
            "(main => main.scrollHeight - main.clientHeight)(document.querySelector('main'))"
        )
    )


def test_a_picture_is_seen_large_and_nothing_is_said_about_it(
    browser: Browser, label: Label
) -> None:
    with opened(browser, label) as page:
        zoomed = page.locator("#zoom")
        second = page.locator(".tile").nth(1)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+Space")
        expect(zoomed).to_contain_text(second.get_attribute("title") or "")
        wide = page.locator("#zoomed").bounding_box()
        assert wide is not None
        assert wide["height"] > 700
        page.keyboard.press("Enter")  # for the page below it
        page.keyboard.press("Shift+Space")
        expect(zoomed).to_be_hidden()
        page.keyboard.press("Shift+Space")
        page.keyboard.press("Escape")
        expect(zoomed).to_be_hidden()
        expect(second).to_be_focused()
        second.click(delay=700)  # a long press
        expect(zoomed).to_be_visible()
        zoomed.click()
        expect(zoomed).to_be_hidden()
        expect(page.locator(".tile[aria-selected=true]")).to_have_count(0)
        second.click()
        expect(page.locator(".tile[aria-selected=true]")).to_have_count(1)
    assert given(label) == {}


@pytest.mark.parametrize(("width", "dark"), shapes(in_ci="narrow-dark"))
def test_the_page_can_be_read_by_everyone(
    browser: Browser, folder: PlantedFolder, label: Label, width: int, dark: bool
) -> None:
    with opened(browser, label, width, dark) as page:
        page.locator(".tile").first.click()
        page.locator("#name").fill(LONG)
        page.locator("#name").press("Enter")
        decide(page, folder)
        page.locator(".tile").first.click()
        page.keyboard.press("+")
        assert serious_findings(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.keyboard.press("Enter")
        expect(page.locator("#question")).to_contain_text(" 1 to ")
        page.locator(".tile").first.click()
        assert serious_findings(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        display_naming(page, 4)
        page.keyboard.press("1")
        assert serious_findings(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for key in ("Shift+Space", "F1"):
            page.keyboard.press(key)
            assert serious_findings(page, "dialog[open]") == []
            page.keyboard.press("Escape")
