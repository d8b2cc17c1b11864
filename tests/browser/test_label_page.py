"""The page for first labels in a real Chromium: names by keyboard, none lost to a reload, a second
tab or the end of its server."""

from __future__ import annotations

import re
import signal
from collections import Counter
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.support.pages.label_tab import (
    IMAGES,
    colours,
    decide,
    excluded,
    give,
    given,
    mislabelled,
    names,
    see_together,
)
from tests.support.pages.planted_folder import PlantedFolder, plant
from tests.support.pages.visit import opened
from tests.support.processes.fleet import Fleet
from tests.support.processes.label_server import Label
from tests.support.processes.manual_trainer import Hand

MANY = 400
DECIDED = 24
#: What the heading says as long as nothing can be estimated.
STANDING = re.compile(r"\d+ of \d+ images named by a person · ")
SERVER_ENDED = tuple(
    f"error: Failed to load resource: net::ERR_{how}" for how in ("CONNECTION_", "EMPTY_RESPONSE")
)


def test_decisions_by_keyboard_are_in_the_file_after_the_server_was_killed(
    browser: Browser, fleet: Fleet, hand: Hand, tmp_path: Path
) -> None:
    folder = plant(tmp_path / "many", MANY)
    done, run, errors = 0, Label(fleet, hand, folder), SERVER_ENDED
    while done < DECIDED:
        with opened(browser, run, errors=errors) as page:
            half = done + DECIDED // 2
            while done < half:
                done += decide(page, folder)
            page.evaluate("Promise.all([...document.images].map(i => i.decode().catch(() => 0)))")
            run.end(signal.SIGKILL)
            page.keyboard.press(">")
            expect(page.locator("#saved")).to_contain_text("hangtag label has ended")
        found = given(run)
        assert found.items() <= folder.colours.items()
        run = Label(fleet, hand, folder)
        assert run.named(run.json("GET", "/facts")) == len(found)
    run.end(signal.SIGKILL)
    assert len(found) > DECIDED


def test_wrong_pictures_are_clicked_away_named_left_out_or_not_known(
    browser: Browser, folder: PlantedFolder, label: Label
) -> None:
    with opened(browser, label) as page:
        names = page.locator(".tile").evaluate_all("tiles => tiles.map(tile => tile.title)")
        for place, key in ((0, "Delete"), (1, "?"), (2, "")):
            page.locator(".tile").nth(place).click()
            if key:
                page.keyboard.press(key)
        page.keyboard.press("Escape")  # takes all of it back
        expect(page.locator(".tile[aria-selected=true], .tile.named")).to_have_count(0)
        for place, key in ((0, "Delete"), (1, "?"), (2, "")):
            page.locator(".tile").nth(place).click()
            if key:
                page.keyboard.press(key)
        page.locator(".tile").nth(2).focus()
        page.keyboard.press("Space")  # back again
        give(page, "most")
        page.locator(".tile").nth(3).click()
        page.locator(".tile").nth(4).click()
        give(page, "other")  # for both
        page.locator(".tile").nth(2).click()
        give(page, "third")
        page.keyboard.press("Space")  # the name of the focused one is taken back
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_contain_text(f"saved {len(names)}")
        expect(page.locator("#totals")).to_contain_text("2 left out or not known")
    short = [name.rpartition("/")[2] for name in names]
    found = given(label)
    assert [found[name] for name in short] == ["", "", "most", "other", "other"]


def test_enter_without_a_name_saves_nothing_and_takes_one_that_is_still_in_the_field(
    browser: Browser, label: Label
) -> None:
    with opened(browser, label) as page:
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_have_text("type a name first")
        assert given(label) == {}
        first, *others = names(page)
        page.keyboard.type("typed")
        page.locator(".tile").first.click()
        page.keyboard.type("one")  # that of the picture clicked away
        page.locator("#confirm").click()
        expect(page.locator("#saved")).to_have_text(f"saved {1 + len(others)} images")
    assert given(label) == {first: "one"} | dict.fromkeys(others, "typed")


def test_undo_shows_the_pictures_again(browser: Browser, label: Label) -> None:
    with opened(browser, label) as page:
        first = page.locator(".tile").first.get_attribute("title")
        give(page, "wrong")
        page.keyboard.press("Escape")
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_have_text("type a name first")
        give(page, "red")
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_contain_text("saved")
        expect(page.locator("#totals")).to_have_text(STANDING)
        page.keyboard.press("Backspace")
        expect(page.locator("#question")).to_contain_text("Taken back")
        titles = page.locator(".tile").evaluate_all("tiles => tiles.map(tile => tile.title)")
        assert first in titles
        assert given(label) == {}


def test_what_is_most_like_a_picture_is_shown_and_named(
    browser: Browser, folder: PlantedFolder, label: Label
) -> None:
    with opened(browser, label) as page:
        shown = page.locator(".tile").nth(1).get_attribute("title")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("=")
        expect(page.locator("#question")).to_contain_text("Most like the first")
        assert page.locator(".tile").first.get_attribute("title") == shown
        truth = colours(page, folder)
        assert truth.count(truth[0]) > len(truth) // 2
        page.keyboard.press(">")  # back, with nothing saved
        expect(page.locator("#question")).not_to_contain_text("Most like")
    assert given(label) == {}


def test_what_was_clicked_away_without_a_name_comes_again_at_the_end(
    browser: Browser, fleet: Fleet, hand: Hand, tmp_path: Path
) -> None:
    few = Label(fleet, hand, plant(tmp_path / "few", 3))  # one group
    with opened(browser, few) as page:
        away = page.locator(".tile").first.get_attribute("title")
        page.keyboard.press("Backspace")
        expect(page.locator("#saved")).to_contain_text("Esc starts this page again")
        give(page, "rest")
        page.locator(".tile").first.click()
        page.keyboard.press("Enter")
        expect(page.locator(".tile")).to_have_count(1)
        assert page.locator(".tile").get_attribute("title") == away
        give(page, "other")
        page.keyboard.press("Enter")
        expect(page.locator("#empty")).to_contain_text("Every image is decided.")
    few.end(signal.SIGKILL)
    assert sorted(given(few).values()) == ["other", "rest", "rest"]


def test_a_label_is_seen_together_and_its_wrong_pictures_are_sent_back_named_and_taken_back(
    browser: Browser, folder: PlantedFolder, label: Label
) -> None:
    wrong, reds = mislabelled(folder, label)
    with opened(browser, label) as page:
        see_together(page, "red")
        expect(page.locator("#question")).to_contain_text(f"red: 1 to 24 of {reds}")
        assert set(names(page)[:2]) == wrong
        expect(page.locator(".tile").first).to_contain_text("like blue")
        expect(page.locator(".tile").last).to_have_text("red")
        give(page, "green")  # nothing is clicked: not of all of them
        expect(page.locator("#saved")).to_have_text("click the wrong ones away first")
        page.locator(".tile").nth(0).click()
        page.locator(".tile").nth(1).click()
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_have_text("saved 2 images")
        expect(page.locator("#question")).to_contain_text(f"red: 25 to {reds} of {reds}")
        assert excluded(label) == dict.fromkeys(wrong, ("red",))
        assert given(label).items() <= folder.colours.items()
        page.keyboard.press("Backspace")
        expect(page.locator("#question")).to_contain_text("red: 1 to 24")
        page.locator(".tile").nth(0).click()
        give(page, "green")
        page.keyboard.press("Enter")
        expect(page.locator("#question")).to_contain_text("red: 25 to")
        page.keyboard.press("Enter")
        expect(page.locator("#question")).not_to_contain_text("red: ")  # the usual pages
    assert Counter(given(label)[name] for name in wrong) == {"red": 1, "green": 1}


def test_two_tabs_lose_nothing_and_a_reload_goes_on(
    browser: Browser, folder: PlantedFolder, label: Label
) -> None:
    with opened(browser, label) as one, opened(browser, label) as other:
        decide(one, folder)
        decide(one, folder)
        give(other, "mine")
        other.keyboard.press("Enter")
        expect(other.locator("#saved")).to_contain_text("saved")
        named = len(given(label))
        one.reload()
        one.wait_for_selector(".tile")
        expect(one.locator("#totals")).to_contain_text(f"{named} of {IMAGES + 1} images named")
        assert "mine" in one.locator("#labels").inner_text()
