"""`hangtag collect` of a finished job, while its producer ends and without its folders, and of a
cancelled one."""

from __future__ import annotations

import csv
import errno
import os
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from producer.job.journal import Journal, journal_path
from shared.errors import Exit
from tests.support.jobs.finished_job import ID, RUBBISH, finish, options_of


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The table of a finished job with a failed row, in the current folder; no server."""
    monkeypatch.setenv("HANGTAG_REDIS_URL", f"unix://{tmp_path}/no.sock")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name, content in (("1.png", b"1"), ("2.png", RUBBISH)):
        (tmp_path / "photos" / name).write_bytes(content)
    output = tmp_path / "out.csv"
    finish(options_of(tmp_path, b"photos"))
    with closing(Journal(journal_path(output))) as journal:
        journal.put(exit=b"%d" % Exit.SOME_FAILED)
    return output


def collect(output: Path) -> Result:
    return CliRunner().invoke(hangtag, ["collect", output.name])


@pytest.mark.parametrize("is_listed", [False, True])
def test_a_finished_job_needs_its_folders_for_nothing_but_new_files(
    output: Path, is_listed: bool
) -> None:
    if is_listed:
        (output.parent / "list").write_text("photos/1.png\nphotos/2.png\n")
        journal_path(output).unlink()
        output.unlink()
        finish(options_of(output.parent, list_file=b"list"))
        (output.parent / "list").unlink()
    table = output.read_bytes()
    (output.parent / "photos").rename(output.parent / "ejected")
    output.unlink()
    result = collect(output)
    assert result.exit_code == Exit.SOME_FAILED, result.output
    name = "list" if is_listed else "photos"
    assert f"{name}: {os.strerror(errno.ENOENT)}" in result.stderr
    assert f"job {ID}: 2 images, 1 failed" in result.stderr
    assert output.read_bytes() == table


def test_a_finished_job_is_judged_by_the_failures_that_are_allowed_now(output: Path) -> None:
    for most, code in (("0", Exit.BUDGET), ("1", Exit.SOME_FAILED)):
        again = ["classify", "photos", "-o", output.name, "--max-failures", most]
        result = CliRunner().invoke(hangtag, again)
        assert result.exit_code == code, result.output


def test_the_rows_so_far_of_a_cancelled_job_are_written_and_nothing_is_classified(
    output: Path, tmp_path: Path
) -> None:
    cancelled, rows = tmp_path / "more" / "out.csv", 4
    (cancelled.parent / "photos").mkdir(parents=True)
    for number in range(9):
        (cancelled.parent / f"photos/{number}.png").write_bytes(b"image %d" % number)
    options = options_of(cancelled.parent, b"photos")
    finish(options, batch_images=rows, stop_after=1, job_id="testjb02")
    with closing(Journal(journal_path(cancelled))) as journal:
        journal.put(stopped=b"%d" % Exit.CANCELLED)
    for _ in range(2):
        result = CliRunner().invoke(hangtag, ["collect", "more/out.csv"])
        assert result.exit_code == Exit.CANCELLED, result.output
        assert f"job testjb02: {rows} of " in result.stderr
        with Path(f"{cancelled}.part").open() as file:
            so_far = list(csv.DictReader(file))
        assert [row["path"] for row in so_far] == [f"photos/{n}.png" for n in range(rows)]
        assert "resume it with: hangtag classify more/out.csv" in result.stderr
    assert not cancelled.exists()
    # Also those that an earlier job of the table has left.
    finish(options, batch_images=rows, restart=True)
    assert len(cancelled.read_text().splitlines()) == 1 + 9
    assert not Path(f"{cancelled}.part").exists()
