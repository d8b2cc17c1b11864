"""Tables of archives are brought up to date like those of folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.archives.archive_writers import ENDINGS, write
from tests.support.jobs.finished_job import RUBBISH, finish, options_of
from tests.support.jobs.updated_job import update

BEFORE = {"b/1.png": b"one", "a/2.png": b"two", "c.png": RUBBISH, "d.png": b"four"}
NOW = {"new.png": b"five", "b/1.png": b"one", "a/2.png": b"other two", "c.png": RUBBISH}


@pytest.mark.parametrize("ending", ENDINGS)
def test_members_come_change_and_go(tmp_path: Path, ending: str) -> None:
    archive = f"photos{ending}"
    for name, files in (("main", BEFORE), ("fresh", NOW)):
        (tmp_path / name).mkdir()
        write(tmp_path / name / archive, files)
        finish(options_of(tmp_path / name, archive.encode()))
    write(tmp_path / "main" / archive, NOW)
    summary = update(options_of(tmp_path / "main", archive.encode()))
    assert (tmp_path / "main/out.csv").read_bytes() == (tmp_path / "fresh/out.csv").read_bytes()
    assert summary.view.attempt.classified < summary.view.images
