"""The progress of a training: the time left, the epochs that have ended, the parts of a stage."""

from __future__ import annotations

import pytest

from shared.ledger.milestones import milestone
from shared.messages.requests import Progress
from worker.handlers.training_progress import ProgressReporter
from worker.training.epoch import Epoch, Step


def test_the_time_left_covers_the_epochs_that_follow() -> None:
    reported: list[Progress] = []
    reporter = ProgressReporter(reported.append)
    reporter.planned(100, 10)
    reporter.step(Step(3, 10, 2, 4, 0.5, 0.8, rate=50.0))  # in the middle of the third epoch
    (progress,) = reported
    assert progress.left_s == pytest.approx(7.5 * 2)


def test_the_accuracy_of_an_epoch_stays_until_the_next_one_has_ended() -> None:
    reported: list[Progress] = []
    reporter = ProgressReporter(reported.append)
    reporter.planned(100, 2)
    reporter.epoch(Epoch(1, 0.5, 0.8, 0.4, 0.9, 1.0))
    reporter.step(Step(2, 2, 1, 4, 0.5, 0.8, rate=50.0))
    assert reported[-1].heldout_accuracy == 0.9


def test_the_folds_of_a_head_raise_what_the_request_has_reached() -> None:
    reported: list[Progress] = []
    reporter = ProgressReporter(reported.append)
    reporter.stage("training")
    for done in range(1, 5):
        reporter.fold(done, 4)
    reached = [milestone(one) for one in reported[1:]]
    assert reached == sorted(set(reached))
    assert [(one.step, one.steps) for one in reported[1:]] == [(n, 4) for n in range(1, 5)]


def test_a_part_belongs_to_its_stage_and_leaves_the_accuracy() -> None:
    reported: list[Progress] = []
    reporter = ProgressReporter(reported.append)
    reporter.part("importing", 1, 2)
    reporter.epoch(Epoch(1, 0.5, 0.8, 0.4, 0.9, 1.0))
    for stage in ("training", "exporting"):
        reporter.stage(stage)
        reporter.part("part")
        now = reported[-1]
        assert (now.stage, now.part, now.steps, now.heldout_accuracy) == (stage, "part", 0, 0.9)
        assert len(now.ended) == 1
    assert (reported[0].stage, reported[0].step, reported[0].steps) == ("loading", 1, 2)


def test_a_part_that_stores_nothing_raises_nothing_however_far_it_counts() -> None:
    part = Progress("loading", part="converting the backbone", step=1, steps=2)
    assert milestone(part) == milestone(Progress("loading"))
    assert milestone(Progress("starting")) < milestone(part)
    assert milestone(part) < milestone(Progress("loading", step=1, steps=9))
