"""Threads that serve requests read and change the decisions one at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from producer.locations.row_files import RowFiles
from producer.people.answer_arrays import Answers
from producer.people.table_decisions import Decisions
from producer.sources.job_sources import JobSources
from tests.support.images.drawn_folders import draw
from tests.support.jobs.finished_job import finish, options_of


@pytest.fixture
def decisions(tmp_path: Path) -> Decisions:
    draw(tmp_path / "shapes", (5, 8), 2)
    finish(options_of(tmp_path, b"shapes"))
    answers = Answers(tmp_path / "out.csv")
    return Decisions(answers, tmp_path / "out.csv", "ada", RowFiles(JobSources(answers.options)))


@pytest.mark.parametrize(
    ("use", "times"),
    [
        (lambda one: one.labels, 1),
        (lambda one: one.of([0]), 1),
        (lambda one: one.count(lambda position: True), 1),
        (lambda one: one.open_rows([0, 1], 0, 2), 1),
        (lambda one: one.totals(), 1),
        (lambda one: one.decide({0: "Bag"}), 2),
    ],
    ids=["labels", "of", "count", "open_rows", "totals", "decide"],
)
def test_the_decisions_are_read_under_their_lock(
    decisions: Decisions,
    monkeypatch: pytest.MonkeyPatch,
    use: Callable[[Decisions], object],
    times: int,
) -> None:
    locked = list[bool]()
    monkeypatch.setattr(
        decisions, "_note", lambda file, lines: locked.append(decisions._lock.locked())
    )
    use(decisions)
    assert locked == times * [True]
    assert not decisions._lock.locked()
