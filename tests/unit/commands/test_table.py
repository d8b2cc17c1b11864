"""`hangtag table` renders again what the journal has, and never replaces a foreign file unasked."""

from __future__ import annotations

import csv
import os
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import strategies as st

from producer.cli.main import hangtag
from producer.job.acceptance import UNKNOWN, at_precision
from producer.job.columns import GUESS
from producer.job.journal import Journal, journal_path
from producer.run.job import Job
from producer.table.verify import verify
from shared.errors import Exit
from shared.registry import packaged
from tests.support.jobs.finished_job import RUBBISH, finish, options_of

FILES = 30
BROKEN = 7


def plant(folder: Path) -> Path:
    (folder / "photos").mkdir()
    for n in range(FILES):
        content = RUBBISH if n == BROKEN else b"image %d" % n
        (folder / f"photos/{n:02}.png").write_bytes(content)
    return folder / "out.csv"


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The table of a finished job, in the current folder."""
    monkeypatch.chdir(tmp_path)
    output = plant(tmp_path)
    finish(options_of(tmp_path, b"photos"))
    return output


def run(*arguments: str, code: int = Exit.OK) -> Result:
    result = CliRunner().invoke(hangtag, arguments)
    assert result.exit_code == code, result.output
    return result


def classify(*arguments: str, code: int = Exit.SOME_FAILED) -> Result:
    return run("classify", "photos", "-o", "out.csv", *arguments, code=code)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def refused(result: Result) -> str:
    """The only line of a refusal."""
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize("command", ["table", "classify"])
def test_rows_below_the_threshold_are_unknown_and_keep_their_guess(
    table: Path, command: str
) -> None:
    before = rows(table)
    plain = table.read_bytes()
    accept = ("--accept", "95%")
    run("table", "out.csv", *accept) if command == "table" else classify(*accept)
    rule, labels = at_precision(packaged.card(), 0.95), packaged.card().labels
    kept = 0
    for old, new in zip(before, rows(table), strict=True):
        yes = old["label"] and rule.accepts(labels.index(old["label"]), float(old["confidence"]))
        kept += bool(yes)
        assert new.pop(GUESS) == old["label"]
        assert new == old | ({} if yes or not old["label"] else {"label": UNKNOWN})
    assert 0 < kept < FILES - 1
    assert verify(table, deep=True).proven
    run("table", "out.csv", "--accept", "all")
    assert table.read_bytes() == plain
    assert verify(table).proven


options = st.lists(
    st.sampled_from([
        ("--accept", "all"), ("--accept", "90"), ("--accept", "99%"), ("--min-confidence", "0.5"),
        ("--columns", "all"), ("--columns", "label"), ("--columns", "guess,status,confidence"),
    ]),
    min_size=1, max_size=4,
)  # fmt: skip


def test_a_foreign_file_is_replaced_only_if_told_to(table: Path) -> None:
    ours = table.read_bytes()
    table.write_bytes(ours + b"a row of my own\n")
    foreign = table.read_bytes()
    attempts = [
        run("table", "out.csv", "--accept", "95", code=Exit.USAGE),
        classify("--accept", "95", code=Exit.USAGE),
        classify("--retry-failed", code=Exit.USAGE),
    ]
    assert all("not what its job wrote" in refused(attempt) for attempt in attempts)
    assert table.read_bytes() == foreign
    assert "differs from what its job wrote" in classify().stderr
    assert table.read_bytes() == foreign
    run("table", "out.csv", "--force")
    assert table.read_bytes() == ours


def test_a_copy_leaves_the_table_and_its_options_and_is_not_replaced_unasked(table: Path) -> None:
    before = table.read_bytes()
    run("table", "out.csv", "-o", "copy.csv", "--accept", "99")
    copy = (table.parent / "copy.csv").read_bytes()
    assert table.read_bytes() == before != copy
    assert verify(table).proven
    refusal = refused(run("table", "out.csv", "-o", "copy.csv", code=Exit.USAGE))
    assert "exists" in refusal
    assert (table.parent / "copy.csv").read_bytes() == copy
    run("table", "out.csv", "-o", "copy.csv", "--force")
    assert (table.parent / "copy.csv").read_bytes() == before


@pytest.mark.parametrize("name", ["copy", "copy.2024"])
def test_a_name_without_the_ending_of_another_format_is_that_of_a_csv(
    table: Path, name: str
) -> None:
    run("table", "out.csv", "-o", name)
    assert (table.parent / name).read_bytes() == table.read_bytes()


def test_the_rows_so_far_replace_only_those_of_their_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that a process has left that was killed before it placed the next ones."""
    monkeypatch.chdir(tmp_path)
    options, part = options_of(tmp_path, b"photos"), Path(f"{plant(tmp_path)}.part")
    finish(options, stop_after=1)
    notices: list[str] = []
    with closing(Job(options)) as job:
        assert job.table.write_part(part, notices.append) == str(part)
        first = part.read_bytes()
        assert job.table.write_part(part, notices.append) == str(part)
    finish(options, stop_after=2)
    with closing(Job(options)) as job:
        assert job.table.write_part(part, notices.append) == str(part)
        assert part.read_bytes() != first
        part.write_bytes(first)
        assert job.table.write_part(part, notices.append) == str(part)
        assert notices == []
        part.write_text("a download in progress")
        assert job.table.write_part(part, notices.append) == ""
        part.unlink()
        os.mkfifo(part)
        assert job.table.write_part(part, notices.append) == ""
    assert len(notices) == 2
    assert str(part) in notices[0]
    assert part.is_fifo()


@pytest.mark.parametrize("running", [True, False])
def test_the_rows_so_far_of_an_unfinished_job_are_written_to_another_file(
    table: Path, running: bool
) -> None:
    whole = table.read_text().splitlines(keepends=True)
    for path in (table, journal_path(table)):
        path.unlink()
    finish(options_of(table.parent, b"photos"), stop_after=4)
    state = None
    if running:
        state = Journal(journal_path(table))  # as its producer has it
    try:
        assert "is not finished" in refused(run("table", "out.csv", code=Exit.USAGE))
        result = run("table", "out.csv", "-o", "far.csv")
    finally:
        if state is not None:
            state.close()
    assert "12 rows so far" in result.stderr
    assert (table.parent / "far.csv").read_text() == "".join(whole[:13])
    with closing(Journal(journal_path(table))):
        pass
    assert not table.exists()
