"""A table with corrections: the person's label, the model's guess, and who gave the label."""

from __future__ import annotations

import csv
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.run.job import Job
from producer.table.verify import verify
from shared.labels import labels_file
from tests.support.jobs.decided import correct
from tests.support.jobs.finished_job import RUBBISH, finish, options_of


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(hangtag, arguments)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Ten rows; the last one failed, and the first two are copies."""
    (tmp_path / "photos").mkdir()
    for n in range(9):
        (tmp_path / f"photos/{n}.png").write_bytes(bytes([max(1, n)]) * 9)
    (tmp_path / "photos/9.png").write_bytes(RUBBISH)
    finish(options_of(tmp_path, b"photos"))
    return tmp_path / "out.csv"


def test_later_corrections_do_not_refute_a_table(table: Path) -> None:
    correct(table, bytes([2]) * 9, "Coat")
    run("table", str(table))
    rendered = table.read_bytes()
    correct(table, bytes([3]) * 9, "Coat")
    assert verify(table).proven
    run("table", str(table))
    assert table.read_bytes() != rendered
    assert rows(table)[3]["label"] == "Coat"
    assert verify(table).proven


def test_an_accepted_label_of_a_person_needs_no_confidence(table: Path) -> None:
    correct(table, bytes([2]) * 9, "Coat")
    run("table", str(table), "--min-confidence", "1")
    labels = [row["label"] for row in rows(table)]
    assert labels == ["unknown"] * 2 + ["Coat"] + ["unknown"] * 6 + [""]


@pytest.mark.parametrize("shorter", [False, True])
def test_a_log_that_is_missing_or_has_become_shorter_is_named(table: Path, shorter: bool) -> None:
    log = labels_file.of_table(table)
    correct(table, bytes([2]) * 9, "Coat")
    first = log.read_bytes()
    correct(table, bytes([3]) * 9, "Coat")
    run("table", str(table))
    log.write_bytes(first) if shorter else log.unlink()
    assert "--no-corrections" in run("verify", str(table), code=1)
    run("table", str(table), "--no-corrections")
    assert verify(table).proven


@pytest.mark.parametrize("more", [(), ("-o", "copy.csv")])
@pytest.mark.parametrize("shorter", [False, True])
def test_labels_of_people_are_not_dropped_because_their_log_is_missing_or_shorter(
    table: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], shorter: bool
) -> None:
    monkeypatch.chdir(table.parent)
    correct(table, bytes([2]) * 9, "Coat")
    log = labels_file.of_table(table)
    first = log.read_bytes()
    correct(table, bytes([3]) * 9, "Coat")
    run("table", str(table))
    corrected = table.read_bytes()
    log.write_bytes(first) if shorter else log.unlink()
    said = run("table", str(table), "--columns", "label", *more, code=1)
    assert "has fewer corrections than the table" in said
    assert "--no-corrections" in said
    assert table.read_bytes() == corrected
    run("table", str(table), "--columns", "label", "--no-corrections", *more)


def test_a_damaged_log_of_corrections_does_not_keep_a_job_from_its_table(table: Path) -> None:
    labels_file.of_table(table).write_text("damaged\n")
    finish(options_of(table.parent, b"photos"), restart=True)
    assert verify(table).proven
    with closing(Job(options_of(table.parent, b"photos"))) as job:
        assert job.table.take_learned([]) == []  # nor is it read for a version without labels
