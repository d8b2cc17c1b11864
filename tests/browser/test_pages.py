"""Pages in a real Chromium: they work by mouse and keyboard, can be read by everyone, and whatever
names and pictures are in them, nothing runs and nothing is fetched."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from shared.labels.class_folders import folder_of
from tests.support.pages.planted import HOSTILE, LABELS, OF_LABEL
from tests.support.pages.visit import NARROW, WIDE, serious_findings, tab, visit

#: Width and colour scheme of a visit.
SHAPES = {
    "wide-light": (WIDE, False),
    "narrow-dark": (NARROW, True),
    "wide-dark": (WIDE, True),
    "narrow-light": (NARROW, False),
}
#: Leaves one picture of each kind in a page: its others differ in text only, and each takes time.
LIKE_PICTURES = """() => {
    const seen = new Set();
    for (const shot of document.querySelectorAll("main .shot")) {
        if (seen.has(shot.className)) shot.remove();
        seen.add(shot.className);
    }
    for (const button of document.querySelectorAll("[data-show]")) {
        const [truth, label] = button.dataset.show.split(",");
        const shown = `.shot[data-truth="${truth}"][data-label="${label}"]`;
        if (!document.querySelector(shown)) button.removeAttribute("data-show");
    }
}"""


def shapes(in_ci: str, *before: str) -> list[Any]:
    """Parameters: the values `before`, width, dark. CI visits each page in one shape, the night in
    each."""
    return [
        pytest.param(
            *before, *shape, id="-".join([*before, name]),
            marks=() if name == in_ci else pytest.mark.nightly,
        )
        for name, shape in SHAPES.items()
    ]  # fmt: skip


@pytest.fixture(scope="module")
def opened(browser: Browser, report: Path) -> Iterator[Page]:
    """The report in a tab of its own. `visit` checks at its end what all tests have fetched."""
    with visit(browser, report) as page:
        yield page


@pytest.fixture
def page(opened: Page) -> Page:
    """The report as if it had just been opened."""
    opened.emulate_media(media="null")
    opened.keyboard.press("Escape")
    opened.check("input[value=all]")
    opened.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    assert not opened.locator("#viewer").is_visible()
    return opened


@pytest.mark.parametrize(
    ("which", "width", "dark"),
    [
        *shapes("wide-light", "report"),
        *shapes("narrow-dark", "model_report"),
        *shapes("narrow-light", "comparison"),
    ],
)
def test_a_page_is_accessible_in_every_shape(
    browser: Browser, request: pytest.FixtureRequest, which: str, width: int, dark: bool
) -> None:
    with visit(browser, request.getfixturevalue(which), width, dark) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.evaluate(LIKE_PICTURES)
        assert serious_findings(page) == []
        page.locator("[data-show]").first.click()
        assert serious_findings(page, "#viewer") == []
        page.locator("#viewer .picture").first.click()
        assert serious_findings(page, "#viewer") == []


def test_the_check_finds_a_fault(page: Page) -> None:
    image = page.locator("#label-1 img").first
    text = image.evaluate("image => image.alt")
    image.evaluate("image => image.removeAttribute('alt')")
    found = serious_findings(page, "#label-1 .shot:first-child")
    image.evaluate("(image, text) => { image.alt = text; }", text)
    assert any(one.startswith("image-alt") for one in found)


def shown(page: Page) -> int:
    """The pictures that the page displays outside of the viewer."""
    return page.locator("main .shot:visible").count()


def test_the_report_shows_every_image(page: Page) -> None:
    assert shown(page) == len(LABELS) * OF_LABEL + len(HOSTILE)
    assert page.locator("#filter-count").inner_text() == f"{shown(page)} pictures"
    sizes = page.evaluate("[...document.images].map(i => [i.complete, i.naturalWidth])")
    page.evaluate("for (const i of document.images) i.loading = 'eager'")
    page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth)")
    assert len(sizes) > shown(page)  # and plots


def test_a_cell_of_the_matrix_opens_its_pictures(page: Page) -> None:
    cells = page.locator(".matrix .confused [data-show]")
    assert cells.count() > 5
    for i in range(3):
        truth, label = (cells.nth(i).get_attribute("data-show") or "").split(",")
        number = int(cells.nth(i).inner_text())
        cells.nth(i).click()
        pictures = page.locator("#viewer .shot")
        assert pictures.count() == number
        expected = f"{LABELS[int(truth)]} taken for {LABELS[int(label)]} ({number})"
        assert page.locator("#viewer-title").inner_text() == expected
        assert f"folder: {LABELS[int(truth)]}" in pictures.first.inner_text()
        page.keyboard.press("Escape")
        assert not page.locator("#viewer").is_visible()
        assert cells.nth(i).evaluate("node => node === document.activeElement")


def test_a_picture_opens_with_its_path_and_can_be_stepped(page: Page) -> None:
    gallery = page.locator("#label-1")
    gallery.locator(".picture").first.click()
    viewer = page.locator("#viewer")
    count = gallery.locator(".shot").count()
    assert page.locator("#viewer-place").inner_text() == f"1 of {count}"
    assert "photos/" in viewer.locator(".path").inner_text()
    assert page.get_by_role("button", name="Previous").is_disabled()
    before = viewer.locator(".path").inner_text()
    page.keyboard.press("ArrowRight")
    assert viewer.locator(".path").inner_text() != before
    page.get_by_role("button", name="Next").click()
    assert page.locator("#viewer-place").inner_text() == f"3 of {count}"
    page.get_by_role("button", name="Close").click()
    assert not viewer.is_visible()


def test_filters_show_what_they_say(page: Page) -> None:
    every = shown(page)
    for value, kind in (
        ("doubtful", ".doubtful"),
        ("flagged", ".flagged"),
        ("differs", ".differs"),
    ):
        page.check(f"input[value={value}]")
        assert 0 < shown(page) < every
        assert shown(page) == page.locator(f"main .shot{kind}").count()
        assert page.locator("#filter-count").inner_text() == f"{shown(page)} pictures"
    empty = page.locator(".gallery .none:visible").count()
    assert empty == page.evaluate(
        "[...document.querySelectorAll('.gallery')]"
        ".filter(gallery => !gallery.querySelector('.differs')).length"
    )
    page.check("input[value=all]")
    assert shown(page) == every


def test_a_gallery_is_one_tab_stop_and_arrows_move_in_it(page: Page) -> None:
    galleries = page.locator("main .grid")
    for i in range(galleries.count()):
        assert galleries.nth(i).locator(".picture[tabindex='0']").count() == 1
    pictures = page.locator("#label-2 .picture")

    def focused() -> int:
        return int(
            page.evaluate(
                "[...document.querySelectorAll('#label-2 .picture')]"
                ".indexOf(document.activeElement)"
            )
        )

    pictures.first.focus()
    for key, expected in (
        ("ArrowRight", 1), ("ArrowLeft", 0), ("ArrowLeft", 0), ("End", pictures.count() - 1),
        ("ArrowRight", pictures.count() - 1), ("Home", 0),
    ):  # fmt: skip
        page.keyboard.press(key)
        assert focused() == expected, key
    page.keyboard.press("ArrowDown")
    assert focused() > 1
    page.keyboard.press("Enter")
    assert page.locator("#viewer").is_visible()


def test_hostile_names_are_displayed_as_they_are(page: Page) -> None:
    """`visit` checks at the end of the module that none of them ran."""
    assert page.evaluate("document.scripts.length") == 1
    assert page.evaluate("document.querySelectorAll('main img[src=x], main b + b').length") == 0
    paths = page.locator("main .path").all_text_contents()
    assert "photos/Bag/<script>hacked=1<" not in paths  # a slash in the name is a folder
    assert 'photos/Bag/"><img src=x onerror=hacked=1>.png' in paths
    assert "photos/Bag/{{ 7*7 }}{% raw %}.png" in paths
    assert "photos/Bag/&lt;b&gt;&#x3c;.png" in paths


def test_the_policy_of_a_page_is_enforced(browser: Browser, report: Path) -> None:
    """Whatever got into a page, by a fault of a template, would neither run nor be fetched."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    with tab(browser) as (page, seen):
        page.goto(report.as_uri())
        page.evaluate(
            """address => {
                document.body.insertAdjacentHTML("beforeend",
                    `<img src=x onerror="hacked=1"><img src="${address}/image">`
                    + `<iframe src="${address}/frame"></iframe>`
                    + `<p style="background: url(${address}/style)">x</p>`
                    + `<form action="${address}/form"><button id="send">x</button></form>`);
                const script = document.createElement("script");
                script.textContent = "hacked=1";
                document.body.append(script);
                const other = document.createElement("script");
                other.src = `${address}/script`;
                document.body.append(other);
                return fetch(`${address}/fetch`).catch(() => null);
            }""",
            address,
        )
        page.evaluate("document.getElementById('send').click()")
        page.wait_for_timeout(300)
        for _ in range(100):
            if len(blocked(seen)) < 6:
                page.wait_for_timeout(100)
        assert page.evaluate("typeof hacked") == "undefined"
        assert asked == []
        assert len(blocked(seen)) >= 6
    server.shutdown()
    server.server_close()


def blocked(seen: list[str]) -> list[str]:
    return [one for one in seen if not one.startswith("request: ")]


def test_without_its_script_a_page_has_the_same_content(browser: Browser, report: Path) -> None:
    with visit(browser, report, script=False) as page:
        assert shown(page) == len(LABELS) * OF_LABEL + len(HOSTILE)
        assert page.locator("main .shot .path:visible").count() == shown(page)
        assert page.locator(".filter:visible").count() == 0
        assert page.get_by_text(f"photos/{folder_of(LABELS[0])}/broken.png").is_visible()


@pytest.mark.parametrize(("width", "dark"), shapes("wide-dark"))
def test_the_page_of_a_data_check_is_accessible_in_every_shape(
    browser: Browser, check: Path, width: int, dark: bool
) -> None:
    with visit(browser, check, width, dark) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert serious_findings(page) == []
        page.locator("#wrong .picture").first.click()
        assert serious_findings(page, "#viewer") == []
