"""The page of a dataset check names everything that was found, and nothing foreign in it runs."""

from __future__ import annotations

import re

import pytest

from tests.support.pages.parsed import Parsed
from tests.support.pages.planted_check import (
    OUTLIERS,
    UNREADABLE,
    WRONG,
    Check,
    plant,
)


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    return plant(tmp_path_factory.mktemp("check"))


def section(check: Check, name: str) -> str:
    """The HTML of one section."""
    html = check.page.read_text()
    start = html.index(f'<section id="{name}">')
    following = html.find('\n<section id="', start + 1)
    return html[start : following if following > 0 else None]


def paths(html: str) -> list[str]:
    """The paths of its pictures, in their order."""
    return re.findall(r'<dt>File</dt><dd><code class="path">(.*?)</code>', html)


def test_likely_wrong_labels_are_ranked_with_what_they_are_taken_for(check: Check) -> None:
    wrong = section(check, "wrong")
    assert paths(wrong) == list(WRONG)
    first = wrong[: wrong.index("</figure>")]
    assert "Boot <b>99.0%</b>" in first
    assert "folder: Bag" in first
    assert "data:image/webp;base64," in first


def test_outliers_and_unreadable_files_are_named(check: Check) -> None:
    assert paths(section(check, "outliers")) == list(OUTLIERS)
    for path in UNREADABLE:
        assert path in section(check, "unreadable")


def test_nothing_foreign_runs(check: Check) -> None:
    Parsed(check.page.read_text()).check_harmless()
