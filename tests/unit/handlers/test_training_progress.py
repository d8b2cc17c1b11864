"""The progress of a training covers the networks that are still to be trained."""

from __future__ import annotations

import pytest

from shared.messages.requests import Progress
from worker.handlers.training_progress import ProgressReporter
from worker.training.epoch import Epoch, Step


@pytest.mark.parametrize(("teacher", "epochs_after"), [(1, 10 + 10 * 2.0), (2, 10 * 2.0), (0, 0.0)])
def test_the_time_left_covers_all_teachers_and_the_student(
    teacher: int, epochs_after: float
) -> None:
    reported: list[Progress] = []
    reporter = ProgressReporter(reported.append, 100, 10, teach_by=2, versions=1)
    reporter.teacher(teacher)
    reporter.step(Step(3, 10, 2, 4, 0.5, 0.8, rate=50.0))  # in the middle of the third epoch
    (progress,) = reported
    assert (progress.teacher, progress.teachers) == (teacher, 2)
    assert progress.left_s == pytest.approx((7.5 + epochs_after) * 2)


def test_the_accuracy_of_a_teacher_stays_until_the_next_network_has_one() -> None:
    reported: list[Progress] = []
    reporter = ProgressReporter(reported.append, 100, 1, teach_by=1)
    reporter.teacher(1)
    reporter.epoch(Epoch(1, 0.5, 0.8, 0.4, 0.9, 1.0))
    reporter.teacher(0)
    reporter.step(Step(1, 1, 1, 4, 0.5, 0.8, rate=50.0))
    assert (reported[-1].teacher, reported[-1].heldout_accuracy) == (0, 0.9)
