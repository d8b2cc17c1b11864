"""What a notebook displays, in a real Chromium: it has the notebook's colours and any width, and
whatever names are in it, nothing runs and nothing is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

import hangtag
from hangtag.notebook.progress import NotebookProgress
from producer.present.events import Found, Notice, Stored
from tests.browser.test_pages import shapes
from tests.support.pages.planted import HOSTILE, plant
from tests.support.pages.visit import serious_findings, visit

#: As notebooks have them.
GROUNDS = {False: ("#ffffff", "#1f1f1f"), True: ("#111111", "#e0e0e0")}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A bar with a notice, and a result with everything that it can have."""
    table = plant(tmp_path_factory.mktemp("planted"))
    result = hangtag.open_table(table)
    return [bar(), result._repr_html_()]


def bar() -> str:
    shown: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "hangtag.notebook.progress._displayed", lambda data: shown.append(data["text/html"])
        )
        progress = NotebookProgress()
        progress.show(Found(200, 400))
        progress.show(Stored(0, 0))
        progress.show(Stored(100, 3))
        progress.show(Notice(f"a notice about {HOSTILE[0].decode()}"))
        progress.close()
    return shown[-1]


@pytest.mark.parametrize(("width", "dark"), shapes("narrow-dark"))
def test_a_result_can_be_read_in_each_shape(
    browser: Browser, parts: list[str], tmp_path: Path, width: int, dark: bool
) -> None:
    ground, text = GROUNDS[dark]
    page_file = tmp_path / "notebook.html"
    page_file.write_text(
        f'<!doctype html><html lang="en"><title>notebook</title><body style="background: {ground}; '
        f'color: {text}; margin: 0"><main><h1>cell</h1>{"".join(parts)}</main></body></html>',
        errors="replace",
    )
    with visit(browser, page_file, width, dark) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("img").count() > 3
        assert page.locator("script").count() == 0
        assert page.get_by_role("progressbar").count() == 1
        assert serious_findings(page) == []
