"""Accepted rows of a table are guesses to begin with: the head learns from them, as if it had not
when it is asked about them, and nobody has named them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.job.acceptance import at_precision
from producer.job.sealed_journal import SealedJournal
from producer.people import accepted_rows
from producer.people.existing_labels import of_tables
from shared.errors import Exit, UsageError
from shared.image_status import Status
from shared.messages.labelling import NextPage
from tests.support.jobs.decided import correct
from tests.support.jobs.finished_job import finish, options_of
from tests.unit.people.test_existing_labels import Folder
from tests.unit.people.test_session import drawn, started

IMAGES, WRONG = 60, 5


def test_the_head_learns_from_them_and_is_not_sure_because_of_them() -> None:
    rows, truth = drawn(IMAGES)
    labels = truth.copy()
    labels[WRONG] = (truth[WRONG] + 1) % 4
    session = started(rows)
    session.suggest(np.arange(IMAGES // 2), labels[: IMAGES // 2])
    session.learn()
    assert session.counts().named == 0
    page = session.similar(WRONG)
    assert page.guesses[0] == truth[WRONG], "by a head that has not learned from it"
    others = {s: g for s, g in zip(page.stacks, page.guesses, strict=True) if s >= IMAGES // 2}
    assert sum(truth[stack] == guess for stack, guess in others.items()) > 0.8 * len(others) > 0


def test_a_decision_counts_more_and_one_that_is_taken_back_leaves_the_guess() -> None:
    rows, truth = drawn(IMAGES)
    session = started(rows)
    session.suggest(np.arange(IMAGES), truth)
    session.decide(np.array([WRONG]), np.array([3 - truth[WRONG]]), np.array([False]))
    session.learn()
    assert session.counts().named == 1
    assert WRONG not in session.next(NextPage()).stacks
    session.decide(np.array([WRONG]), np.array([-1]), np.array([False]))
    session.learn()
    assert session.counts().named == 0
    assert session.similar(WRONG).guesses[0] == truth[WRONG]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    folder = Folder(tmp_path, {f"{n:02}.jpg": b"%d" % n for n in range(40)})
    finish(options_of(tmp_path, bytes(folder.root.name, "ascii")))
    return tmp_path / "out.csv"


def test_they_are_the_accepted_rows_of_files_that_are_as_they_were(table: Path) -> None:
    """An image that was replaced since has no label of the table."""
    folder = Folder(table.parent, {f"{n:02}.jpg": b"%d" % n for n in range(0)})
    (rows,) = accepted_rows.read([table], 0.95)
    with SealedJournal(table) as sealed:
        rule = at_precision(sealed.card, 0.95)
        (batches,) = [list(sealed.row_batches())]
        every = [batch.row(i, 1) for batch in batches for i in range(len(batch))]
        expected = {
            number: sealed.card.labels[row.label]
            for number, row in enumerate(every)
            if row.status is Status.OK and rule.accepts(row.label, row.confidence)
        }
    assert 2 < len(expected) < 40
    changed = min(expected)
    path = folder.root / f"{changed:02}.jpg"
    path.write_bytes(b"another one")
    os.utime(path, ns=(1, 1))
    assert rows.of(folder.images) == {n: x for n, x in expected.items() if n != changed}
    assert "accepted at 95%:" in accepted_rows.summary_line(3, rows)


def test_a_guess_that_a_person_excluded_in_the_table_is_none(table: Path) -> None:
    folder = Folder(table.parent, {})
    (before,) = accepted_rows.read([table], 0.95)
    guesses = before.of(folder.images)
    image = min(guesses)
    correct(table, b"%d" % image, guesses.pop(image), image + 1, kind="not-this")
    (rows,) = accepted_rows.read([table], 0.95)
    assert rows.of(folder.images) == guesses


def test_a_table_without_corrections_needs_a_precision(table: Path) -> None:
    assert of_tables([table], some=False).labels == {}
    with pytest.raises(UsageError, match="has no corrections"):
        of_tables([table])
    correct(table, b"1", "Bag", 2)
    correct(table, b"2", "Coat", 3, kind="not-this")
    (line,) = of_tables([table], some=False).labels.values()
    assert line.label == "Bag"


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--accept", "95%"], "name it with --from"), (["--accept", "all"], "in doubt")],
)
def test_what_cannot_be_is_refused_in_one_line(words: list[str], message: str) -> None:
    more = ["--from", "x.csv"] if "all" in words else []
    result = CliRunner().invoke(hangtag, ["label", "photos", *words, *more])
    assert result.exit_code == Exit.USAGE
    (line,) = result.stderr.splitlines()
    assert message in line
