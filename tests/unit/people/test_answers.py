"""What can be reviewed, and what a desk has of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.job.totals import Withdrawn
from producer.pages.thumbnails import Thumbnails
from producer.people.answer_arrays import Answers
from producer.people.queue import Refused
from producer.people.table_decisions import TableDecisions
from producer.people.table_queue import TableQueue, View, ViewKind
from producer.sources.job_sources import JobSources
from producer.sources.row_files import RowFiles
from shared.errors import UsageError
from shared.image_status import Status
from shared.messages.files import NO_DIGEST
from tests.support.images.drawn_folders import draw
from tests.support.jobs.finished_job import RUBBISH, finish, options_of

ROWS = 6


def made(folder: Path, files: dict[str, bytes], stop_after: int | None = None) -> Path:
    """The table of a job of these files."""
    for name, content in files.items():
        (folder / "files").mkdir(exist_ok=True)
        (folder / "files" / name).write_bytes(content)
    finish(options_of(folder, b"files"), stop_after=stop_after)
    return folder / "out.csv"


@pytest.mark.parametrize(
    ("files", "stop_after", "why"),
    [
        ({"a.png": b"a", "b.png": b"b"}, 0, "has not finished; finish it with: hangtag classify"),
        ({"a.png": RUBBISH, "b.png": RUBBISH}, None, "no row of .* has a label"),
    ],
)
def test_a_table_without_answers_is_not_reviewed(
    tmp_path: Path, files: dict[str, bytes], stop_after: int | None, why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        Answers(made(tmp_path, files, stop_after))


def test_rows_that_failed_have_no_answer(tmp_path: Path) -> None:
    answers = Answers(made(tmp_path, {"a.png": RUBBISH, "b.png": b"b", "c.png": b"c"}))
    assert list(answers.rows) == [2, 3]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    draw(tmp_path / "shapes", (5, 8), ROWS // 2)
    finish(options_of(tmp_path, b"shapes"))
    return tmp_path / "out.csv"


@pytest.fixture
def desk(table: Path) -> Iterator[TableQueue]:
    answers = Answers(table)
    decisions = TableDecisions(answers, table, "ada", RowFiles(JobSources(answers.options)))
    with Thumbnails() as thumbnails:
        yield TableQueue(table, answers, decisions, thumbnails)


def test_the_picture_of_a_file_that_is_gone_has_a_reason(desk: TableQueue, table: Path) -> None:
    row = desk.rows(View(ViewKind.ALL), False, 0, 1).items[0]
    (table.parent / row.path).unlink()
    picture = desk.picture(row.item, 128)
    assert not picture.webp
    assert picture.why == Status.MISSING.sentence


def test_estimates_are_shown_unless_they_are_withdrawn(
    desk: TableQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = desk.decisions.totals()
    for why in (None, Withdrawn("", "")):
        monkeypatch.setattr(desk, "_withdrawn", why)
        shown = desk.totals()
        assert shown.expected == (whole.expected if why is None else None)
        assert shown.accuracy == (whole.accuracy if why is None else None)


@pytest.mark.parametrize("digest", [b"", NO_DIGEST])
def test_a_file_without_a_checksum_in_the_journal_is_not_decided(
    desk: TableQueue, monkeypatch: pytest.MonkeyPatch, digest: bytes
) -> None:
    (row,) = desk.answers.read([0])
    monkeypatch.setattr(desk.answers, "read", lambda _: [row._replace(digest=digest)])
    refused, _ = desk.decisions.decide({0: "Bag"})
    assert refused == [Refused(0, "the job has no checksum of this file; classify it again")]
