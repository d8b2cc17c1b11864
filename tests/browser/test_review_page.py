"""The review page in a real Chromium: decisions by keyboard, none lost to a reload, to a second tab
or to the end of its server; readable by everyone; nothing foreign runs."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from shared.labels import labels_file
from shared.labels.label_line import LabelLine
from shared.labels.labels_so_far import LabelsSoFar
from tests.browser.test_pages import shapes
from tests.support.jobs.decided import lines_in
from tests.support.pages.planted import LABELS, plant
from tests.support.pages.visit import opened, serious_findings
from tests.support.processes.review_server import Review

DECIDED = 50
#: Returns what the log got since the start of a test.
Log = Callable[[], list[LabelLine]]
#: The keys of one round: confirm, the third label, two pictures at once, a label by its name.
ROUND = ["Enter", "3", "Space", "ArrowRight", "Space", "7", "/", "trou", "Enter"]
DECIDED_IN_ROUND = 5
#: Of a request that the server received before its end, or that it did not receive.
SERVER_ENDED = tuple(
    f"error: Failed to load resource: net::ERR_{how}" for how in ("CONNECTION_", "EMPTY_RESPONSE")
)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plant(tmp_path_factory.mktemp("review"))


@pytest.fixture(scope="module")
def server(table: Path) -> Iterator[Review]:
    """For each test that does not end it."""
    with running(table) as review:
        yield review


@pytest.fixture
def review(server: Review) -> Review:
    """The server, after every decision of an earlier test has been taken back."""
    rows = server.rows("kind=all&count=500")["items"]
    server.decide(*((row["item"], None) for row in rows if row["decided"] is not None))
    return server


@contextmanager
def running(table: Path) -> Iterator[Review]:
    """A server for this block."""
    review = Review(table)
    try:
        yield review
    finally:
        review.end(signal.SIGKILL)


@pytest.fixture
def lines(table: Path, review: Review) -> Log:
    log = labels_file.of_table(table)
    before = len(lines_in(log))
    return lambda: lines_in(log)[before:]


def press(page: Page, keys: list[str]) -> None:
    for key in keys:
        if len(key) > 1 and key.islower():
            page.keyboard.type(key)
        else:
            page.keyboard.press(key)


def wait_until_saved(page: Page, decided: int) -> None:
    expect(page.locator("#totals")).to_contain_text(f"{decided} decided")


def wait_for_pictures(page: Page) -> None:
    """A server that ends while it sends one causes other errors at the page, on a busy machine."""
    page.evaluate(
        """() => Promise.all([...document.images].map(image => {
            image.loading = "eager";
            return image.decode().catch(() => null);
        }))"""
    )


def test_decisions_by_keyboard_are_in_the_log_and_on_the_page(
    browser: Browser, review: Review, lines: Log
) -> None:
    with opened(browser, review) as page:
        order = review.rows(f"kind=all&count={DECIDED}")["items"]
        page.locator("#kinds button").last.click()
        expect(page.locator("#totals")).to_contain_text("all left")
        page.locator(".tile").first.focus()
        for _ in range(DECIDED // DECIDED_IN_ROUND):
            press(page, ROUND)
        wait_until_saved(page, DECIDED)
        found = [(line.rows[0], line.label) for line in lines()]
        assert found == [
            (row["row"], _expected(i % DECIDED_IN_ROUND, row["guess"]))
            for i, row in enumerate(order)
        ]
        page.reload()
        page.wait_for_selector(".tile")
        wait_until_saved(page, DECIDED)
        assert page.locator(".tile.confirmed, .tile.corrected").count() == DECIDED


def _expected(place: int, guess: str) -> str:
    return [guess, LABELS[2], LABELS[6], LABELS[6], "Trouser"][place]


def test_one_at_a_time_a_key_decides_about_the_picture_on_display(
    browser: Browser, review: Review, lines: Log
) -> None:
    rows = review.rows("kind=doubtful&count=6")["items"]
    with opened(browser, review) as page:
        press(page, ["g", "Space", "ArrowRight", "2"])
        wait_until_saved(page, 1)
        page.locator("#labels button").nth(3).click()
        wait_until_saved(page, 2)
        press(page, ["Enter", "/", "trou", "Enter"])
        wait_until_saved(page, 4)
        press(page, ["Enter"])
        wait_until_saved(page, 5)
        press(page, ["Escape"])
        expect(page.locator("#grid")).to_be_visible()
    expected = [LABELS[1], LABELS[3], rows[3]["guess"], "Trouser", rows[5]["guess"]]
    found = [(line.rows[0], line.label) for line in lines()]
    assert found == list(zip((row["row"] for row in rows[1:]), expected, strict=True))


def test_the_second_and_third_guess_of_each_picture_have_a_key(
    browser: Browser, review: Review, lines: Log
) -> None:
    rows = review.rows("kind=doubtful&count=4")["items"]
    guesses = [[label for label, _ in row["others"]] for row in rows]
    with opened(browser, review) as page:
        for label in guesses[0]:
            expect(page.locator(".tile").first).to_contain_text(label)
        press(page, [",", ".", "Space", "ArrowRight", "Space", ","])
        wait_until_saved(page, 4)
    expected = [guesses[0][0], guesses[1][1], guesses[2][0], guesses[3][0]]
    found = [(line.rows[0], line.label) for line in lines()]
    assert found == list(zip((row["row"] for row in rows), expected, strict=True))


def test_a_new_label_is_added_by_a_second_enter_only(
    browser: Browser, review: Review, lines: Log
) -> None:
    with opened(browser, review) as page:
        press(page, ["/", "arlic", "Enter"])
        expect(page.locator("#saved")).to_contain_text("arlic is a new label")
        press(page, ["Escape", "/", "bo", "Shift+Enter"])
        expect(page.locator("#saved")).to_contain_text("bo is a new label")
        assert lines() == []
        press(page, ["Enter"])
        wait_until_saved(page, 1)
    assert [line.label for line in lines()] == ["bo"]


def test_a_tab_of_an_earlier_review_at_the_same_port_saves_nothing(
    browser: Browser, table: Path, lines: Log
) -> None:
    """Both tabs have the cookie of the later review, whose rows may be those of another table."""
    refused = ("error: Failed to load resource: the server responded with a status of 409",)
    with (
        running(table) as review,
        opened(browser, review, errors=(*SERVER_ENDED, *refused)) as page,
    ):
        wait_for_pictures(page)
        review.end()
        later = Review(table, options=["--port", str(review.port)])
        try:
            page.context.new_page().goto(f"http://{later.host}:{later.port}/?token={later.token}")
            press(page, ["3"])
            expect(page.locator("#saved")).to_contain_text("earlier `hangtag review`; reload it")
            assert lines() == []
        finally:
            later.end(signal.SIGKILL)


def test_undo_takes_back_the_last_decisions_in_their_order_also_after_a_reload(
    browser: Browser, table: Path, lines: Log
) -> None:
    with running(table) as review, opened(browser, review) as page:
        press(page, ["Enter", "2", "ArrowLeft", "ArrowLeft", "3"])
        wait_until_saved(page, 2)
        page.reload()
        page.wait_for_selector(".tile")
        first, second = [line.rows[0] for line in lines()][:2]
        guess = lines()[0].label
        page.locator("#kinds button").last.click()  # other rows are displayed
        for key, text in (
            ("Backspace", f"taken back: row {first} is {guess} again"),
            ("Backspace", f"taken back: row {second} has no decision"),
            ("u", f"taken back: row {first} has no decision"),
            ("u", "nothing to undo"),
        ):
            press(page, [key])
            expect(page.locator("#saved")).to_have_text(text)
        expect(page.locator("#totals")).to_contain_text("Nothing decided yet")
        assert not LabelsSoFar(lines()).labelled()


def test_a_decision_that_was_not_saved_stays_reported_until_it_is(
    browser: Browser, review: Review, table: Path, lines: Log
) -> None:
    row = review.rows("kind=doubtful&count=1")["items"][0]
    file = table.parent / row["path"]
    content = file.read_bytes()
    saved = "#saved"
    with opened(browser, review) as page:
        # Its picture is that of the classified content, or none.
        expect(page.locator(".tile img").first).to_have_js_property("complete", value=True)
        file.write_bytes(content + b"more")
        press(page, ["3"])
        expect(page.locator(saved)).to_contain_text("not saved")
        press(page, ["3", "4"])
        wait_until_saved(page, 2)
        expect(page.locator(saved)).to_contain_text("not saved")
        file.write_bytes(content)
        page.locator(".tile").first.click()
        press(page, ["3"])
        wait_until_saved(page, 3)
        expect(page.locator(saved)).to_have_text("saved")
    assert len(lines()) == 3


@pytest.mark.parametrize(("width", "dark"), shapes("narrow-dark"))
def test_it_is_accessible_in_every_shape(
    browser: Browser, review: Review, width: int, dark: bool
) -> None:
    with opened(browser, review, width, dark) as page:
        press(page, ["Enter", "3"])
        wait_until_saved(page, 2)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert serious_findings(page) == []
        page.keyboard.press("g")
        assert serious_findings(page) == []
        for key in ("Shift+Space", "F1"):
            page.keyboard.press(key)
            assert serious_findings(page, "dialog[open]") == []
            page.keyboard.press("Escape")


def test_hostile_names_and_labels_are_text(browser: Browser, review: Review) -> None:
    with opened(browser, review) as page:
        page.locator("#kinds button").last.click()
        page.locator("#by-label").select_option(label="Bag")
        expect(page.locator(".tile").nth(10)).to_be_attached()
        page.keyboard.press("/")
        page.keyboard.type("<b onclick=hacked=1>x</b>")
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_contain_text("<b onclick=hacked=1>x</b> is a new label")
        page.keyboard.press("Enter")
        expect(page.locator("#saved")).to_have_text("saved")
        assert page.locator("b[onclick]").count() == 0
        expect(page.locator("#labels")).to_contain_text("<b onclick=hacked=1>x</b>")
