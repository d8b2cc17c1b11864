"""The page of a dataset check names everything that was found, and nothing foreign in it runs."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from producer.dataset_check import check_page
from producer.dataset_check.findings import Findings
from producer.present.meter import Stages
from producer.present.progress import Quiet
from tests.support.pages.parsed import Parsed
from tests.support.pages.planted import HOSTILE
from tests.support.pages.planted_check import (
    COPIES,
    NEAR,
    OF_CLASS,
    OUTLIERS,
    UNREADABLE,
    WRONG,
    Check,
    answer,
    card,
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


def test_groups_across_training_and_test_come_first(check: Check) -> None:
    found = check.found
    below = [path.decode(errors="replace") for path in found.rows.paths]
    groups = [{below[i].partition("photos/")[2] for i in group} for group in found.groups]
    (copy, original), (within, one) = (
        COPIES.copy().popitem(),
        ("train/Bag/02.png", NEAR["train/Bag/02.png"]),
    )
    assert groups == [{"train/Boot/04.png", "test/Boot/00.png"}, {copy, original}, {within, one}]
    assert (found.copies, found.near_duplicates) == (1, 2)
    html = section(check, "duplicates")
    titles = re.findall(r"<h3 id=\"group-\d-title\">(.*?)</h3>", html)
    assert titles == ["2 near-duplicates", "2 copies", "2 near-duplicates"]
    assert html.count("In training and test data") == 1
    assert html.count("In several classes") == 1


def test_outliers_and_unreadable_files_are_named(check: Check) -> None:
    assert paths(section(check, "outliers")) == list(OUTLIERS)
    for path in UNREADABLE:
        assert path in section(check, "unreadable")


def test_every_class_has_its_numbers(check: Check) -> None:
    cells = re.findall(r'<th scope="row">(.*?)</th>\n<td>(\d+)</td>', section(check, "classes"))
    assert cells[0] == ("Boot", str(OF_CLASS + len(HOSTILE)))
    assert cells[1] == ("Bag", str(OF_CLASS))
    assert "very different sizes" in section(check, "overview")


def test_nothing_foreign_runs(check: Check) -> None:
    Parsed(check.page.read_text()).check_harmless()


def test_a_folder_without_faults_has_no_such_sections(tmp_path: Path, check: Check) -> None:
    rows, count = check.found.rows, len(check.found.rows.paths)
    clean = msgspec.structs.replace(
        rows,
        statuses=bytes(count),
        flags=bytes(count),
        labels=list(check.found.guesses),
        like=[-1] * count,
    )
    page = tmp_path / "check.html"
    progress = Stages(Quiet())
    check_page.write(
        Findings(clean), card(), answer(), "photos", progress, table=check.table, page=page
    )
    html = page.read_text()
    assert re.findall(r'<section id="(\w+)">', html) == ["overview", "classes"]
    Parsed(html).check_harmless()
