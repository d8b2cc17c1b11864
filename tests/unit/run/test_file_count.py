"""The number of a job's files, for the time that is left: counted in short turns, and only once."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from producer.job.job_properties import FILE_COUNT
from producer.run.loop_report import START_AFTER_S, FileCount
from producer.sources.job_sources import JobSources
from tests.support.archives.archive_writers import write
from tests.support.jobs.finished_job import options_of

FILES = {f"{n:03}.png": b"" for n in range(300)}
#: Between two readings of the clock: a turn has a few steps.
TICK_S = 1e-3


@pytest.mark.parametrize(
    ("ending", "known", "total"), [("", None, 300), ("", 299, 299), (".tar.gz", None, None)]
)
def test_files_are_counted_once_a_job_lasts_and_not_where_that_is_to_unpack_them_twice(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ending: str,
    known: int | None,
    total: int | None,
) -> None:
    write(tmp_path / f"p{ending}", FILES) if ending else (tmp_path / "p").mkdir()
    for name in () if ending else FILES:
        (tmp_path / "p" / name).touch()
    ticks = count(1)
    monkeypatch.setattr("time.monotonic", lambda: TICK_S * next(ticks))
    files = FileCount(JobSources(options_of(tmp_path, f"p{ending}".encode())), known)
    files.advance()
    assert files.total == known
    assert files.unstored() == {}
    ticks = count(int(START_AFTER_S / TICK_S) + 2)
    for _ in range(2):
        files.advance()
    assert files.total == total
    assert files.unstored() == ({} if total == known else {FILE_COUNT: b"300"})
    assert files.unstored() == {}
