"""The question about names of folders in a real Chromium: it comes before the first page, no key
decides anything behind it, and a reply can be taken back."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from shared.labels import labels_file
from tests.support.pages.planted_folder import plant
from tests.support.pages.visit import NARROW, WIDE, serious_findings, tab
from tests.support.processes.fleet import Fleet
from tests.support.processes.label_server import Label
from tests.support.processes.manual_trainer import Hand
from tests.support.servers.redis_server import RedisServer

IMAGES = 30
LONG = "\u0642" * 100
FOLDERS = dict.fromkeys(range(1, 11), "Coat") | {11: "Hat", 12: LONG, 13: "2023-05-01"}


@pytest.fixture(scope="module")
def hand(server_binary: Path) -> Iterator[Hand]:
    with RedisServer(server_binary) as server:
        hand = Hand(server)
        hand.live()
        yield hand


@pytest.fixture(scope="module")
def fleet(hand: Hand) -> Iterator[Fleet]:
    with Fleet(hand.server) as fleet:
        yield fleet


@pytest.fixture
def label(fleet: Fleet, hand: Hand, tmp_path: Path) -> Iterator[Label]:
    running = Label(fleet, hand, plant(tmp_path / "photos", IMAGES, folders=FOLDERS))
    yield running
    running.end(signal.SIGKILL)


@contextmanager
def opened(browser: Browser, label: Label, width: int = WIDE, dark: bool = False) -> Iterator[Page]:
    """The page with its question; at the end its console is empty."""
    origin = f"http://{label.host}:{label.port}/"
    with tab(browser, width, dark) as (page, seen):
        page.goto(f"{origin}?token={label.token}")
        expect(page.locator("#folders")).to_be_visible()
        yield page
        assert [one for one in seen if not one.startswith(f"request: {origin}")] == []


def asked(page: Page) -> list[str]:
    return page.locator("#folders li b").all_inner_texts()


def test_each_folder_is_displayed_with_pictures_before_any_page(
    browser: Browser, label: Label
) -> None:
    with opened(browser, label) as page:
        assert asked(page) == ["Coat", "Hat", LONG]
        coat = page.locator("#folders li").first
        expect(coat).to_contain_text("10 pictures")
        expect(coat.locator("img")).to_have_count(3)
        page.evaluate("Promise.all([...document.querySelectorAll('li img')].map(i => i.decode()))")
        for hidden in ("#grid", "footer"):
            expect(page.locator(hidden)).to_be_hidden()
        for key in ("1", "x", "Delete", "Space", "Enter", ">"):
            page.keyboard.press(key)
        page.keyboard.press("F1")
        expect(page.locator("dialog[open]")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("dialog[open]")).to_have_count(0)
        assert asked(page) == ["Coat", "Hat", LONG]
        expect(page.locator("#folders")).to_be_visible()
    assert not label.file.exists() or labels_file.read(label.file).so_far.images() == {}


def test_a_reply_is_saved_at_once_and_can_be_taken_back(browser: Browser, label: Label) -> None:
    with opened(browser, label) as page:
        page.get_by_role("button", name="Coat is a label", exact=True).click()
        expect(page.locator("#folders li")).to_have_count(2)
        expect(page.locator("#saved")).to_have_text("saved 1 folder")
        assert labels_file.read(label.file).so_far.labels() == {"Coat": 10}
        page.get_by_role("button", name="none is a label").click()
        expect(page.locator("#folders")).to_be_hidden()
        expect(page.locator(".tile").first).to_be_visible()
        expect(page.locator("#totals")).to_contain_text("10 of 30 images named by a person")
        page.keyboard.press("Backspace")
        expect(page.locator("#folders")).to_be_visible()
        expect(page.locator("#folders li")).to_have_count(2)
        page.keyboard.press("Backspace")
        expect(page.locator("#folders li")).to_have_count(3)
        assert labels_file.read(label.file).so_far.images() == {}
        page.get_by_role("button", name="all are labels").click()
        expect(page.locator(".tile").first).to_be_visible()
    assert labels_file.read(label.file).so_far.labels() == {"Coat": 10, "Hat": 1, LONG: 1}


def test_keys_reply_about_one_folder_after_the_other(browser: Browser, label: Label) -> None:
    with opened(browser, label) as page:
        page.keyboard.press("y")
        expect(page.locator("#folders li")).to_have_count(2)
        page.keyboard.press("Control+n")
        page.keyboard.press("n")
        expect(page.locator("#folders li")).to_have_count(1)
        assert asked(page) == [LONG]
        page.keyboard.press("y")
        expect(page.locator(".tile").first).to_be_visible()
    assert labels_file.read(label.file).so_far.labels() == {"Coat": 10, LONG: 1}


def test_later_shows_the_page_and_the_next_visit_asks_again(browser: Browser, label: Label) -> None:
    with opened(browser, label) as page:
        page.keyboard.press("Escape")
        expect(page.locator(".tile").first).to_be_visible()
        page.keyboard.type("red")
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_contain_text("saved")
        expect(page.locator("#folders")).to_be_hidden()
        page.keyboard.press("Backspace")
        expect(page.locator("#saved")).to_have_text("taken back")
        expect(page.locator("#folders")).to_be_hidden()
        page.reload()
        expect(page.locator("#folders")).to_be_visible()


def test_labels_that_no_person_has_seen_are_counted_apart(
    browser: Browser, fleet: Fleet, hand: Hand, tmp_path: Path
) -> None:
    folder = plant(tmp_path / "photos", IMAGES, folders=FOLDERS)
    label = Label(fleet, hand, folder, ["--folders"])
    with tab(browser) as (page, _):
        page.goto(f"http://{label.host}:{label.port}/?token={label.token}")
        expect(page.locator(".tile").first).to_be_visible()
        expect(page.locator("#totals")).to_contain_text("images named by a person, 13 by their")
        expect(page.locator("#folders")).to_be_hidden()
    label.end(signal.SIGKILL)


@pytest.mark.parametrize(("width", "dark"), [(WIDE, False), (NARROW, True)])
def test_the_question_is_accessible(browser: Browser, label: Label, width: int, dark: bool) -> None:
    with opened(browser, label, width, dark) as page:
        assert serious_findings(page) == []
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width
