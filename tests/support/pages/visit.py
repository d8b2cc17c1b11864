"""A page in a real browser, and everything that it must not do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

WIDE, NARROW = 1280, 390
#: Impacts of axe-core's findings that fail a test.
_SERIOUS = ("serious", "critical")


@contextmanager
def visit(
    browser: Browser,
    path: Path,
    width: int = WIDE,
    dark: bool = False,
    script: bool = True,
    motion: bool = False,
) -> Iterator[Page]:
    """Open a file. At the end nothing was fetched but the file, and the console is empty."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
        reduced_motion="no-preference" if motion else "reduce",
    )
    page = context.new_page()
    seen: list[str] = []
    page.on("console", lambda message: seen.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: seen.append(f"error: {error}"))
    page.on("dialog", lambda dialog: seen.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: seen.append(f"request: {request.url[:80]}"))
    url = path.as_uri()
    page.goto(url)
    try:
        yield page
        if script:
            assert page.evaluate("typeof hacked") == "undefined"
        fetched = [one for one in seen if not one.startswith("request: data:image/webp;base64,")]
        assert fetched == [f"request: {url[:80]}"]
    finally:
        context.close()


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
