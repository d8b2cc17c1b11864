"""A page in a real browser, and everything that it must not do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from playwright.sync_api import Browser, Page

from tests.support.processes.page_client import PageClient

WIDE, NARROW = 1280, 390
#: Tabs that no test uses.
_idle: WeakKeyDictionary[Browser, list[Page]] = WeakKeyDictionary()
#: Impacts of axe-core's findings that fail a test.
_SERIOUS = ("serious", "critical")


@contextmanager
def visit(
    browser: Browser,
    path: Path,
    width: int = WIDE,
    dark: bool = False,
    script: bool = True,
) -> Iterator[Page]:
    """Open a file. At the end nothing was fetched but the file, and the console is empty."""
    url = path.as_uri()
    with tab(browser, width, dark, script) as (page, seen):
        page.goto(url)
        yield page
        if script:
            assert page.evaluate("typeof hacked") == "undefined"
        fetched = [one for one in seen if not one.startswith("request: data:image/webp;base64,")]
        assert fetched == [f"request: {url[:80]}"]


@contextmanager
def tab(
    browser: Browser,
    width: int = WIDE,
    dark: bool = False,
    script: bool = True,
) -> Iterator[tuple[Page, list[str]]]:
    """A tab as if new, and what its console and its network have seen since.

    One that a test has left without an error is used again: a new one takes half a second.
    """
    idle = _idle.setdefault(browser, []) if script else []
    page = idle.pop() if idle else browser.new_context(java_script_enabled=script).new_page()
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(
        media="null",
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    try:
        with _observed(page) as seen:
            yield page, seen
        _clean(page)
    except BaseException:
        page.context.close()
        raise
    idle.append(page)


@contextmanager
def _observed(page: Page) -> Iterator[list[str]]:
    seen: list[str] = []
    listeners: dict[Any, Callable[[Any], None]] = {
        "console": lambda message: seen.append(f"{message.type}: {message.text}"),
        "pageerror": lambda error: seen.append(f"error: {error}"),
        "dialog": lambda dialog: seen.append(f"dialog: {dialog.message}"),
        "request": lambda request: seen.append(f"request: {request.url[:80]}"),
    }
    for event, listener in listeners.items():
        page.on(event, listener)
    yield seen
    for event, listener in listeners.items():
        page.remove_listener(event, listener)


def _clean(page: Page) -> None:
    """Leave nothing of a test for the next one."""
    for other in page.context.pages:
        if other is not page:
            other.close()
    page.goto("about:blank")
    page.context.clear_cookies()


def serious_findings(page: Page, within: str = "html") -> list[str]:
    """What axe-core finds within an element of the page as it is now."""
    axe = resources.files("axe_playwright_python").joinpath("axe.min.js")
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(axe.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate(
        "within => axe.run(within, {resultTypes: ['violations']})", within
    )
    return [
        f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}"
        for one in found["violations"]
        if one["impact"] in _SERIOUS
    ]


@contextmanager
def opened(
    browser: Browser,
    local: PageClient,
    width: int = WIDE,
    dark: bool = False,
    errors: tuple[str, ...] = (),
) -> Iterator[Page]:
    """A local page; at the end its console has only errors that start with one of `errors`, and
    nothing was fetched from elsewhere."""
    origin = f"http://{local.host}:{local.port}/"
    with tab(browser, width, dark) as (page, seen):
        page.goto(f"{origin}?token={local.token}")
        page.wait_for_selector(".tile")
        yield page
        assert page.evaluate("typeof hacked") == "undefined"
        expected = (f"request: {origin}", *errors)
        assert [one for one in seen if not one.startswith(expected)] == []
