"""`hangtag dataset check` replaces what a check wrote, and without `--force` nothing else."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.pages.check import check_output, write_table
from producer.present.progress import Quiet, Stages
from producer.table.verify import verify
from shared.errors import Exit
from shared.labels import labels_file
from tests.support.jobs.finished_job import finish, options_of
from tests.support.pages.parsed import Parsed
from tests.support.pages.planted_check import (
    OUTLIERS,
    UNREADABLE,
    WRONG,
    Check,
    card,
    plant,
    rows_of,
    write_files,
)
from tests.unit.table.test_forms_of_jobs import killed_at

FOREIGN = b"a,b\nmine,1\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with class folders in photos/, and no server that could be reached."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HANGTAG_REDIS_URL", f"unix://{tmp_path}/no-server")
    write_files(tmp_path / "photos")
    return tmp_path


def refused(*arguments: str) -> str:
    """The only line of the command, which must not get as far as the request."""
    result = CliRunner().invoke(hangtag, ["dataset", "check", "photos", *arguments])
    assert result.exit_code == Exit.USAGE, result.output
    (line,) = result.stderr.splitlines()
    return line


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def write(table: Path, force: bool = False) -> None:
    """What a check does when it has its answers."""
    root = table.parent / "photos"
    rows, progress = rows_of(root), Stages(Quiet())
    write_table(rows, card(), os.fsencode(root), str(table), progress, force=force)


def written(folder: Path) -> Path:
    """The table of a check."""
    write(folder / "check.csv")
    return folder / "check.csv"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("photos-check.csv", []),
        ("notes.csv", ["-o", "notes.csv"]),
        ("notes.csv", ["-o", "notes.html"]),
    ],
)
def test_a_file_of_the_user_is_not_replaced(here: Path, name: str, arguments: list[str]) -> None:
    (here / name).write_bytes(FOREIGN)
    line = refused(*arguments)
    assert str(here / name) in line
    assert "--force" in line
    assert content(here) == {name: FOREIGN}


@pytest.mark.parametrize("has_table", [True, False])
def test_a_job_is_not_replaced(here: Path, has_table: bool) -> None:
    (here / "more").mkdir()
    (here / "more/1.png").write_bytes(b"one")
    finish(options_of(here, b"more"), stop_after=None if has_table else 0)
    before = content(here)
    assert "out.csv" in refused("-o", "out.html")
    assert content(here) == before


def test_what_an_earlier_check_wrote_is_replaced_and_corrections_stay(here: Path) -> None:
    table = written(here)
    labels_file.of_table(table).write_bytes(b"{}\n")
    check_output(table, force=False)
    write(table)
    assert verify(table).proven
    assert labels_file.of_table(table).read_bytes() == b"{}\n"
    table.unlink()
    write(table)
    assert verify(table).proven


@pytest.mark.parametrize(
    ("output", "why"),
    [("photos", "is a folder"), ("no/check.csv", "no folder"), ("check.json", "as .json")],
)
def test_an_output_that_cannot_be_written_is_refused_before_the_request(
    here: Path, output: str, why: str
) -> None:
    assert why in refused("-o", output)
    assert why in refused("-o", output, "--force")


@pytest.mark.parametrize(
    "before", [pytest.param("nothing", marks=pytest.mark.nightly), "check", "file"]
)
def test_what_a_crash_leaves_is_replaced_by_the_same_command(here: Path, before: str) -> None:
    """Killed at each failpoint in turn; `--force` only where the first run needed it."""
    table, points, force = here / "check.csv", 0, before == "file"
    while True:
        for path in here.glob("check.csv*"):
            path.unlink()
        if before == "check":
            write(table)
        elif before == "file":
            table.write_bytes(FOREIGN)
        if not killed_at(lambda: write(table, force), points):
            break
        points += 1
        write(table, force)
        assert verify(table).proven
    assert points > 6


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
