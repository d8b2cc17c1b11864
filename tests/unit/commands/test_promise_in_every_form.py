"""What displays a table promises a precision only where its rows are like the held-out images."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Timer

import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.job import journal_lock
from producer.job.journal import journal_path
from producer.pages.thumbnails import Thumbnails
from producer.people.answer_arrays import Answers
from producer.people.table_decisions import TableDecisions
from producer.people.table_queue import TableQueue
from producer.sources.job_sources import JobSources
from producer.sources.row_files import RowFiles
from shared.errors import Exit
from tests.support.jobs.planted_journal import plant

#: One row in this many is accepted by --accept 95%.
SURE_ONE_IN = 10
ROWS = 200
#: What promises a precision, in any form.
PROMISES = ("should be right", "as often right", "98% precision", "precision asked")


def planted(folder: Path, sure: bool) -> Path:
    """A table whose rows are mostly as doubtful as those of strange images, or as held-out ones."""
    rows = [
        (b"in/%03d.png" % i, i % 10, 0.999 if sure or i % SURE_ONE_IN == 0 else 0.4)
        for i in range(ROWS)
    ]
    table = plant(folder / "out.csv", rows, batch_images=50)
    said("table", str(table), "--no-corrections")  # writes it, and stores the counts
    return table


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted(tmp_path_factory.mktemp("strange"), sure=False)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted(tmp_path_factory.mktemp("known"), sure=True)


def said(*arguments: str) -> str:
    result = CliRunner().invoke(hangtag, arguments)
    assert result.exit_code == Exit.OK, result.output
    return result.output


def unpromising(text: str) -> bool:
    assert not [one for one in PROMISES if one in text]
    assert "recision is promised: 90.0% are doubtful" in text
    return "hangtag train DIR" in text


@pytest.mark.parametrize("option", ["--accept=95%", "--min-confidence=0.8"])
def test_an_accepted_share_is_no_promise_on_strange_images(
    strange: Path, known: Path, option: str
) -> None:
    assert "should be right" in said("table", str(known), "-o", "-", option)
    text = said("table", str(strange), "-o", "-", option)
    assert "20 accepted  10.0% of all (--" in text
    assert unpromising(text)


def test_status_and_its_json_promise_nothing_of_strange_images(strange: Path, known: Path) -> None:
    assert unpromising(said("status", str(strange)))
    answers = json.loads(said("status", str(strange), "--json"))["answers"]
    assert answers["precision"] is None
    assert answers["withdrawn"]["train"] == "hangtag train DIR"
    answers = json.loads(said("status", str(known), "--json"))["answers"]
    assert (answers["precision"], answers["withdrawn"]) == (0.98, None)


def test_a_finished_job_and_its_own_table_promise_nothing_of_strange_images(
    tmp_path: Path,
) -> None:
    (tmp_path / "in").mkdir()
    table = planted(tmp_path, sure=False)
    assert unpromising(said("table", str(table), "--accept=95%"))
    assert unpromising(said("collect", str(table)))
    lock = journal_lock.take(journal_path(table))  # as a producer that is ending
    Timer(0.3, os.close, (lock,)).start()
    assert unpromising(said("collect", str(table)))


def test_the_json_of_an_acceptance_has_no_expected_share(strange: Path, tmp_path: Path) -> None:
    copy = str(tmp_path / "copy.csv")
    answers = json.loads(
        CliRunner()
        .invoke(hangtag, ["table", str(strange), "-o", copy, "--accept=95%", "--json"])
        .stdout
    )["answers"]
    assert answers["accepted"]["images"] == ROWS // SURE_ONE_IN
    assert answers["accepted"]["expected"] is None


def test_a_report_promises_nothing_of_strange_images(
    strange: Path, known: Path, tmp_path: Path
) -> None:
    pages = []
    for table in (strange, known):
        page = tmp_path / f"{table.parent.name}.html"
        said("report", str(table), "-o", str(page))
        pages.append(page.read_text(encoding="utf-8"))
    assert unpromising(pages[0])
    assert 'class="threshold"' not in pages[0]
    assert 'class="threshold"' in pages[1]
    assert "recision is promised" not in pages[1]


def test_a_review_estimates_nothing_of_strange_images(strange: Path, known: Path) -> None:
    def opened(table: Path, thumbnails: Thumbnails) -> TableQueue:
        answers = Answers(table)
        decisions = TableDecisions(answers, table, "ada", RowFiles(JobSources(answers.options)))
        return TableQueue(table, answers, decisions, thumbnails)

    with Thumbnails() as thumbnails:
        found = opened(strange, thumbnails)
        assert (found.totals().accuracy, found.totals().expected) == (None, None)
        assert "No precision is promised" in found.facts("").heading
        usual = opened(known, thumbnails)
        assert "About 99.9% of the table should be right." in usual.facts("").heading
