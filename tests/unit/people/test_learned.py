"""What the version of a table has learned from people, in its review: names that they excluded for
an image, and decisions, which are no evidence of how often it is right."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest

from producer.pages.thumbnails import Thumbnails
from producer.people.answer_arrays import Answers
from producer.people.table_decisions import TableDecisions
from producer.people.table_queue import TableQueue, View, ViewKind
from producer.sources.job_sources import JobSources
from producer.sources.row_files import RowFiles
from shared.image_status import Status
from shared.messages.batch import BatchResult
from shared.registry import packaged
from tests.support.jobs.decided import correct
from tests.support.jobs.finished_job import finish, options_of
from tests.unit.people.test_review_desk import Twins, opened

GUESSES = (8, 5, 6)
BAG, SANDAL, SHIRT = (packaged.card().labels[guess] for guess in GUESSES)


def three_labels(images: list[bytes | Status]) -> BatchResult:
    """The same three labels for each image, the first one without a doubt."""
    chances = struct.pack("<3f", 0.99, 0.006, 0.004)
    return BatchResult(
        3, bytes(len(images)), struct.pack("<3H", *GUESSES) * len(images), chances * len(images)
    )


@pytest.fixture
def excluding(tmp_path: Path) -> Path:
    """A table of four images and a copy of the first one. A person has said that the first one is
    no bag, the second one nothing that the table has, and the third one no sandal."""
    (tmp_path / "photos").mkdir()
    contents = [b"one", b"two", b"three", b"four", b"one"]
    for n, content in enumerate(contents):
        (tmp_path / f"photos/{n}.png").write_bytes(content)
    finish(options_of(tmp_path, b"photos"), kept=3, answer=three_labels)
    table = tmp_path / "out.csv"
    excluded = {b"one": (BAG,), b"two": (SANDAL, SHIRT, BAG), b"three": (SANDAL,)}
    for content, names in excluded.items():
        for name in names:
            correct(table, content, name, kind="not-this")
    return table


def test_a_label_that_a_person_excluded_is_not_proposed(excluding: Path) -> None:
    with opened(excluding) as desk:
        rows = desk.rows(View(ViewKind.ALL), False, 0, 9).items
        assert [row.guess for row in rows] == [SANDAL, "", BAG, BAG, SANDAL]
        assert [[label for label, _ in row.others] for row in rows] == [
            [SHIRT], [], [SHIRT], [SANDAL, SHIRT], [SHIRT],
        ]  # fmt: skip
        assert [row.decided for row in rows] == [None] * 5
        assert rows[0].excluded == [BAG]
        of_bag = desk.rows(View(ViewKind.ALL, GUESSES[0]), False, 0, 9).items
        assert [row.row for row in of_bag] == [3, 4]
        doubtful = desk.rows(View(), False, 0, 9).items
        assert sorted(row.row for row in doubtful) == [1, 2, 5]
        choices = desk.facts("").choices
        assert choices is not None
        assert choices.counts["doubtful"] == 3
        assert desk.decisions.totals().accuracy == pytest.approx(2 * 0.99 / 5)


def test_decisions_that_the_version_has_learned_are_no_evidence(tmp_path: Path) -> None:
    """Also after a person has decided about these images."""
    twins = Twins(tmp_path)
    learned = {hashlib.sha256(twins.two).hexdigest()}
    answers = Answers(twins.table)
    files = RowFiles(JobSources(answers.options))
    decisions = TableDecisions(answers, twins.table, "ada", files, learned)
    labels = [answers.card.labels[label] for label in answers.labels]
    decisions.decide({0: "Bag", 3: labels[3]})
    decisions.decide({0: None})
    totals = decisions.totals()
    assert (totals.decided, totals.learned, totals.right) == (2, 2, 0)
    assert totals.expected == pytest.approx(0)
    assert totals.accuracy == pytest.approx(
        (2 + sum(answers.confidences[at] for at in (0, 1, 2, 5))) / 6
    )
    with Thumbnails() as thumbnails:
        heading = TableQueue(twins.table, answers, decisions, thumbnails).facts("").heading
    assert heading.startswith("2 decided, 2 learned by the version, not counted. ")
    decisions.decide({5: labels[5], 3: "Coat"})
    totals = decisions.totals()
    assert (totals.decided, totals.learned, totals.right) == (3, 2, 1)
    assert totals.expected == pytest.approx(answers.confidences[5])
