"""The page for first labels in a real Chromium: names by keyboard, none lost to a reload, a second
tab or the end of its server; readable by everyone."""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from shared.labels import labels_file
from tests.browser.test_pages import shapes
from tests.support.pages.planted_folder import PlantedFolder, plant
from tests.support.pages.visit import NARROW, WIDE, keys_without_name, serious_findings, tab
from tests.support.processes.fleet import Fleet
from tests.support.processes.label_server import Label
from tests.support.processes.manual_trainer import Hand
from tests.support.servers.redis_server import RedisServer

IMAGES, MANY = 120, 800
DECIDED = 50
#: A name as long as that of a folder may be, written from right to left.
LONG = "\u0642" * 100
#: What the heading says as long as nothing can be estimated.
STANDING = re.compile(r"\d+ of \d+ named by a person · ")
SERVER_ENDED = tuple(
    f"error: Failed to load resource: net::ERR_{how}" for how in ("CONNECTION_", "EMPTY_RESPONSE")
)


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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> PlantedFolder:
    return plant(tmp_path_factory.mktemp("label") / "photos", IMAGES, copies=1)


@pytest.fixture(scope="module")
def server(fleet: Fleet, hand: Hand, folder: PlantedFolder) -> Iterator[Label]:
    """For each test that does not end it."""
    running = Label(fleet, hand, folder)
    yield running
    running.end(signal.SIGKILL)


@pytest.fixture
def label(server: Label) -> Label:
    """The server, after every decision of an earlier test has been taken back."""
    server.decide(*({"stack": stack} for stack in range(IMAGES)))
    return server


@contextmanager
def opened(
    browser: Browser,
    label: Label,
    width: int = WIDE,
    dark: bool = False,
    errors: tuple[str, ...] = (),
) -> Iterator[Page]:
    """The page; at the end its console has only errors that start with one of `errors`, and nothing
    was fetched from elsewhere."""
    origin = f"http://{label.host}:{label.port}/"
    with tab(browser, width, dark) as (page, seen):
        page.goto(f"{origin}?token={label.token}")
        page.wait_for_selector(".tile")
        yield page
        expected = (f"request: {origin}", *errors)
        assert [one for one in seen if not one.startswith(expected)] == []


def colours(page: Page, folder: PlantedFolder) -> list[str]:
    """The truth about the pictures of the page."""
    return [folder.colours[name] for name in names(page)]


def names(page: Page) -> list[str]:
    titles = page.locator(".tile").evaluate_all("tiles => tiles.map(tile => tile.title)")
    return [title.rpartition("/")[2] for title in titles]


def give(page: Page, name: str) -> None:
    """Name the pictures that were clicked away, or the page, by keyboard: by a digit if there is
    one."""
    known = page.locator("#labels button").all_inner_texts()
    digits = [text.split()[0] for text in known if text.split()[-1] == name]
    if digits:
        page.keyboard.press(digits[0])
    else:
        page.keyboard.type(name)
        page.keyboard.press("Enter")


def decide(page: Page, folder: PlantedFolder) -> int:
    """Say the truth about a page, and wait for the next one; returns the decisions that it took."""
    truth = colours(page, folder)
    most = Counter(truth).most_common(1)[0][0]
    wrong = [i for i, colour in enumerate(truth) if colour != most]
    give(page, most)
    for place in wrong:
        page.locator(".tile").nth(place).click()
        give(page, truth[place])
    saved = page.locator("#totals").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("#totals")).not_to_have_text(saved)
    return 1 + len(wrong)


def given(label: Label) -> dict[str, str]:
    """The labels in the file, by the names of the images."""
    so_far = labels_file.read(label.file)
    lines = [so_far.line(sha256) for sha256 in so_far.images()]
    return {line.path.rpartition("/")[2]: line.label for line in lines if line is not None}


def excluded(label: Label) -> dict[str, tuple[str, ...]]:
    """The names that images do not have, by the names of the images."""
    so_far = labels_file.read(label.file)
    names = {so_far.line(sha256): so_far.excluded(sha256) for sha256 in so_far.undecided()}
    return {line.path.rpartition("/")[2]: one for line, one in names.items() if line and one}


def test_fifty_decisions_by_keyboard_are_in_the_file_after_the_server_was_killed(
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
        assert run.json("GET", "/folder")["standing"]["named"] == len(found)
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
        expect(page.locator("#saved")).to_have_text(f"saved {1 + len(others)}")
    assert given(label) == {first: "one"} | dict.fromkeys(others, "typed")


@pytest.mark.parametrize("known", [["boot"], ["boot", "bootee"]])
def test_shift_enter_adds_what_is_typed_however_many_labels_begin_like_it(
    browser: Browser, label: Label, known: list[str]
) -> None:
    with opened(browser, label) as page:
        page.evaluate("known => { state.labels = known; }", known)
        page.keyboard.type("bo")
        page.keyboard.press("Shift+Enter")
        expect(page.locator("#name")).to_have_value("")
        assert page.evaluate("state.name") == "bo"
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_contain_text("saved")
    assert set(given(label).values()) == {"bo"}


def test_the_first_name_of_a_page_is_not_that_of_what_was_clicked_away_before(
    browser: Browser, label: Label
) -> None:
    with opened(browser, label) as page:
        first, *others = names(page)
        page.locator(".tile").first.click()
        expect(page.locator("#question")).to_contain_text("What are the others")
        give(page, "most")
        expect(page.locator("#question")).to_contain_text("that of the 1 clicked away")
        expect(page.locator("#name")).to_have_attribute("placeholder", "those away")
        expect(page.locator(".tile").first).to_contain_text("not most")
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_have_text(f"saved {1 + len(others)}")
        assert excluded(label) == {first: ("most",)}
        page.keyboard.press("Backspace")
        expect(page.locator("#question")).to_contain_text("Taken back")
        expect(page.locator(".tile", has_text="was not most")).to_have_attribute(
            "title", f"photos/{first}"
        )
        assert (given(label), excluded(label)) == ({}, {})


def test_what_is_clicked_away_is_not_what_was_proposed(
    browser: Browser, folder: PlantedFolder, label: Label
) -> None:
    with opened(browser, label) as page:
        decide(page, folder)
        decide(page, folder)
        displayed(page, "chance", "", ["red", "blue"], away=[0, 1])
        chance = names(page)
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_have_text("saved 2")
        assert excluded(label) == {chance[0]: ("red",), chance[1]: ("blue",)}
        displayed(page, "label", "green", ["green", "green"], away=[0, 1])
        green = names(page)
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_have_text("saved 2")
        assert ["green" in excluded(label)[name] for name in green] == [True, True]
        displayed(page, "group", "", ["red", "red"], away=[0, 1])
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
            stacks: state.page.stacks.filter(({ decided }) => !decided).slice(0, guesses.length)
                .map((one, i) => ({ ...one, guess: guesses[i], confidence: 0.9 })) })""",
        [why, label, guesses],
    )
    expect(page.locator(".tile")).to_have_count(len(guesses))
    for place in away:
        page.locator(".tile").nth(place).click()


def test_a_label_that_is_less_likely_than_the_others_is_not_proposed(
    browser: Browser, label: Label
) -> None:
    with opened(browser, label) as page:
        shown = "confidence => proposed({why: 'group', label: 'red', stacks: [{confidence}]})"
        assert [page.evaluate(shown, confidence) for confidence in (0.4, 0.6)] == ["", "red"]


PROPOSALS = ["hat", "coat", "shoe"]


def display_naming(page: Page, number: int) -> list[str]:
    """Show pictures as those that the server wants named one at a time; returns their names."""
    page.evaluate(
        """([number, proposals]) => showPage({ why: "naming", label: "", stacks:
            state.page.stacks.slice(0, number).map((one) => ({ ...one, proposals })) })""",
        [number, PROPOSALS],
    )
    expect(page.locator(".guesses")).to_have_count(number)
    return names(page)


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
        expect(page.locator("#saved")).to_have_text("saved 5")
        answers = {one: "coat", two: "own", three: "", four: "shoe", five: ""}
        assert given(label) == answers
        kinds = [one.kind for one in labels_file.read(label.file).images().values()]
        assert (kinds.count("cannot-tell"), kinds.count("left-out")) == (1, 1)
        page.keyboard.press("Backspace")
        expect(page.locator("#question")).to_contain_text("Taken back")
        assert given(label) == {}


def test_enter_saves_the_answers_of_a_page_of_namings_and_no_other(
    browser: Browser, label: Label
) -> None:
    with opened(browser, label) as page:
        one, *_ = display_naming(page, 4)
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_have_text("type a name first")
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_have_text("saved")
        assert given(label) == {one: "hat"}
        expect(page.locator("#labels kbd").locator("visible=true")).to_have_text(["1"])
        page.keyboard.press("1")  # of an ordinary page again
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_contain_text("saved ")
        assert set(given(label).values()) == {"hat"}


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
        """number => showPage({ why: "label", label: "red", stacks: Array.from({ length: number },
            (_, stack) => ({ ...state.page.stacks[0], stack, confidence: 0.9 })) })""",
        number,
    )
    expect(page.locator(".tile")).to_have_count(number)


def side(page: Page) -> float:
    """The smallest side of a picture, in pixels, once the page has its columns."""
    page.wait_for_timeout(100)
    sides = page.locator(".frame").evaluate_all("all => all.map(one => one.clientWidth)")
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


def test_escape_leads_back_to_the_page_before(
    browser: Browser, folder: PlantedFolder, label: Label
) -> None:
    mislabelled(folder, label)
    with opened(browser, label) as page:
        give(page, "own")
        page.locator(".tile").nth(1).click()
        before = names(page)
        page.keyboard.press("=")
        expect(page.locator("#question")).to_contain_text("Most like")
        page.keyboard.press("Escape")
        assert names(page) == before
        page.keyboard.press("+")
        expect(page.locator("#managing")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#managing")).to_be_hidden()
        see_together(page, "red")
        expect(page.locator("#question")).to_contain_text("red: 1 to")
        page.keyboard.press("=")
        expect(page.locator("#question")).to_contain_text("Most like")
        page.keyboard.press("Escape")
        expect(page.locator("#question")).to_contain_text("red: 1 to")
        page.keyboard.press("Escape")
        assert names(page) == before
        expect(page.locator(".tile").nth(1)).to_contain_text("not own")
        page.keyboard.press("/")
        page.keyboard.type("half")
        page.keyboard.press("Escape")
        expect(page.locator("#name")).to_have_value("")
        expect(page.locator(".tile").nth(1)).to_be_focused()
        page.keyboard.press("Escape")  # an ordinary page starts again
        expect(page.locator(".tile[aria-selected=true]")).to_have_count(0)


def test_the_tenth_label_has_the_key_0_as_on_the_review_page(
    browser: Browser, label: Label
) -> None:
    ten = [f"label {number}" for number in range(1, 11)]
    with opened(browser, label) as page:
        page.evaluate("showLabels", ten)
        assert page.locator("#labels kbd").all_inner_texts() == list("1234567890")
        page.keyboard.press("0")
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_contain_text("saved")
    assert set(given(label).values()) == {"label 10"}


def test_every_key_of_the_page_is_in_the_panel_of_its_keys(browser: Browser, label: Label) -> None:
    with opened(browser, label) as page:
        assert keys_without_name(page) == set()


def test_undo_goes_back_to_the_start_and_shows_each_step(
    browser: Browser, folder: PlantedFolder, label: Label
) -> None:
    with opened(browser, label) as page:
        steps = list[tuple[list[str], dict[str, str], dict[str, tuple[str, ...]]]]()
        for name in ("red", "green", "blue"):
            steps.append((names(page), given(label), excluded(label)))
            give(page, name)
            page.locator(".tile").first.click()
            page.keyboard.press("Enter")
            expect(page.locator("#saved")).to_have_text(f"saved {len(steps[-1][0])}")
            wait_until_idle(page)
        page.reload()
        page.wait_for_selector(".tile")
        for shown, labels, names_out in reversed(steps):
            page.keyboard.press("Backspace")
            expect(page.locator("#question")).to_contain_text("Taken back")
            wait_until_idle(page)
            assert sorted(names(page)) == sorted(shown)
            assert (given(label), excluded(label)) == (labels, names_out)


def wait_until_idle(page: Page) -> None:
    """Until the reply to a decision is displayed."""
    wait = "const wait = () => (state.busy ? setTimeout(wait, 10) : done());"
    page.evaluate(f"new Promise(done => {{ {wait} wait(); }})")


def test_the_heading_says_what_is_measured_of_the_others(browser: Browser, label: Label) -> None:
    known = {"images": 688, "named": 211, "without": 0, "sure": 48, "drawn": 28}
    with opened(browser, label) as page:
        totals = page.locator("#totals")
        page.evaluate("showStanding", {**known, "share": 0.66, "low": 0.51, "high": 0.79})
        expect(totals).to_have_text(
            "211 of 688 named by a person · of the 477 others 66% would be right (51 to 79, from "
            "28 drawn by chance) · 48 sure at 95%, 429 would come into unknown/"
        )
        page.evaluate(
            "showStanding", {**known, "drawn": 7, "share": None, "low": None, "high": None}
        )
        expect(totals).to_contain_text("not measured yet: 7 of 24 drawn by chance are decided")


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


def test_a_label_is_renamed_and_merged(
    browser: Browser, folder: PlantedFolder, label: Label
) -> None:
    with opened(browser, label) as page:
        for name in ("coat", "hat"):
            give(page, name)
            saved = page.locator("#totals").inner_text()
            page.keyboard.press("Enter")
            expect(page.locator("#totals")).not_to_have_text(saved)
        page.keyboard.press("+")
        page.locator("#of").select_option(label="coat")
        page.locator("#after").fill("hat")
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_contain_text("press Enter again to merge coat into it")
        expect(page.locator("#labels button")).to_have_count(2)
        page.keyboard.press("Enter")
        expect(page.locator("#labels button")).to_have_count(1)
    assert set(given(label).values()) == {"coat", "hat"}  # as the lines have them
    assert set(labels_file.read(label.file).labels()) == {"hat"}


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
        expect(page.locator("#saved")).to_have_text("saved 2")
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


def mislabelled(folder: PlantedFolder, label: Label) -> tuple[set[str], int]:
    """Name most images right, but for two: these, and how many are named red."""
    colours = folder.colours
    wrong = [name for name in sorted(colours) if colours[name] == "blue"][1:3]
    facts = [(int(name[:4]), colours[name]) for name in sorted(colours)[: IMAGES - 20]]
    named = {stack: "red" if f"{stack:04}.png" in wrong else colour for stack, colour in facts}
    label.decide(*({"stack": s, "kind": "label", "label": n} for s, n in named.items()))
    return set(wrong), list(named.values()).count("red")


def see_together(page: Page, name: str) -> None:
    page.keyboard.press("+")
    page.keyboard.type(name)  # chooses it in the list
    page.keyboard.press("Enter")


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
        expect(one.locator("#totals")).to_contain_text(f"{named} of {IMAGES + 1} named")
        assert "mine" in one.locator("#labels").inner_text()


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
