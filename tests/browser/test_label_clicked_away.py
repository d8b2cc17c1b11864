"""The page for first labels in a real Chromium: what is clicked away does not have a name, comes
back to be named by itself, and is taken back with everything else."""

from __future__ import annotations

import re
from collections.abc import Sequence

from playwright.sync_api import Browser, Page, expect

from shared.labels import labels_file
from tests.support.pages.label_tab import (
    colours,
    decide,
    display_naming,
    excluded,
    give,
    given,
    names,
)
from tests.support.pages.planted_folder import PlantedFolder
from tests.support.pages.visit import opened
from tests.support.processes.label_server import Label


def test_what_is_clicked_away_is_not_what_was_proposed(
    browser: Browser, folder: PlantedFolder, label: Label
) -> None:
    with opened(browser, label) as page:
        decide(page, folder)
        decide(page, folder)
        displayed(page, "chance", "", ["red", "blue"], away=[0, 1])
        chance = names(page)
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_have_text("saved 2 images")
        assert excluded(label) == {chance[0]: ("red",), chance[1]: ("blue",)}
        displayed(page, "label", "green", ["green", "green"], away=[0, 1])
        green = names(page)
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_have_text("saved 2 images")
        assert ["green" in excluded(label)[name] for name in green] == [True, True]
        displayed(page, "group", "", ["red", "red"], away=[0, 1])
        expect(page.locator("#question")).to_have_text(re.compile("that of the 2 clicked away.$"))
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_have_text("type a name first")
        page.keyboard.press("Escape")
        page.keyboard.press(">")
        expect(page.locator(".away")).to_have_count(0)


def displayed(
    page: Page, why: str, label: str, guesses: list[str], *, away: Sequence[int] = ()
) -> None:
    """Show undecided pictures of the page as if the server had chosen them for this reason."""
    page.evaluate(
        """([why, label, guesses]) => showPage({ why, label,
            items: state.items.filter(({ decided }) => !decided).slice(0, guesses.length)
                .map((one, i) => ({ ...one, guess: guesses[i], confidence: 0.9 })) })""",
        [why, label, guesses],
    )
    expect(page.locator(".tile")).to_have_count(len(guesses))
    for place in away:
        page.locator(".tile").nth(place).click()


def test_each_picture_of_a_page_of_namings_is_answered_by_itself(
    browser: Browser, label: Label
) -> None:
    with opened(browser, label) as page:
        one, two, three, four, five = display_naming(page, 5)
        page.keyboard.press("2")
        expect(page.locator(".tile").nth(1)).to_be_focused()
        expect(page.locator(".guesses kbd").locator("visible=true")).to_have_text(["1", "2", "3"])
        page.keyboard.press("9")  # nothing has this key
        page.keyboard.type("own")
        page.keyboard.press("Enter")
        page.keyboard.press("1")
        page.keyboard.press("Backspace")  # it is not saved yet
        expect(page.locator(".tile").nth(2)).to_be_focused()
        page.keyboard.press("?")
        page.locator(".tile").nth(4).click()
        page.keyboard.press("Delete")
        assert given(label) == {}
        page.locator(".guesses").nth(3).locator("button").last.click()  # the last: all are saved
        expect(page.locator("#saved")).to_have_text("saved 5 images")
        answers = {one: "coat", two: "own", three: "", four: "shoe", five: ""}
        assert given(label) == answers
        kinds = [one.kind for one in labels_file.read(label.file).so_far.images().values()]
        assert (kinds.count("cannot-tell"), kinds.count("left-out")) == (1, 1)
        page.keyboard.press("Backspace")
        expect(page.locator("#question")).to_contain_text("Taken back")
        assert given(label) == {}


def test_what_was_clicked_away_comes_back_with_its_best_guesses(
    browser: Browser, folder: PlantedFolder, label: Label
) -> None:
    with opened(browser, label) as page:
        for _ in range(4):
            decide(page, folder)
            wait_until_idle(page)
        away = page.locator(".tile").first.get_attribute("title") or ""
        name = colours(page, folder)[0]
        give(page, name)
        page.locator(".tile").first.click()
        page.keyboard.press("Enter")
        wait_until_idle(page)
        for _ in range(10):
            if page.locator(".guesses").count():
                break
            decide(page, folder)
            wait_until_idle(page)
        tile = page.locator(f'.tile[title="{away}"]')
        guesses = tile.locator(".guesses button").all_inner_texts()
        assert len(guesses) in (2, 3)  # of the other colours, and of a label that was taken back
        assert not [one for one in guesses if name in one]
        tile.click()
        page.keyboard.press("1")
        expect(page.locator("#saved")).to_have_text("saved 1 image")
        assert given(label)[away.rpartition("/")[2]] == guesses[0].split()[-1]


def test_enter_saves_the_answers_of_a_page_of_namings_and_no_other(
    browser: Browser, label: Label
) -> None:
    with opened(browser, label) as page:
        one, *_ = display_naming(page, 4)
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_have_text("type a name first")
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_have_text("saved 1 image")
        assert given(label) == {one: "hat"}
        expect(page.locator("#labels kbd").locator("visible=true")).to_have_text(["1"])
        page.keyboard.press("1")  # of an ordinary page again
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_contain_text("saved ")
        assert set(given(label).values()) == {"hat"}


def wait_until_idle(page: Page) -> None:
    """Until the reply to a decision is displayed."""
    wait = "const wait = () => (state.busy ? setTimeout(wait, 10) : done());"
    page.evaluate(f"new Promise(done => {{ {wait} wait(); }})")
