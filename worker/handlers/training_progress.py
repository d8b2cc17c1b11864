"""Converts the steps and epochs of a training to progress reports."""

from __future__ import annotations

from collections.abc import Callable

from shared.messages.requests import EndedEpoch, Progress
from shared.throughput import left_s
from worker.evaluation.metrics import Epoch
from worker.handlers.context import LOADING
from worker.learners.learner import TRAINING, Observer
from worker.training.epoch import Step

#: A producer polls several times a second; the epochs of a small data set take a hundredth of one.
ENDED_REPORTED = 50


class ProgressReporter(Observer):
    """Reports the progress of a training."""

    def __init__(self, report: Callable[[Progress], None]) -> None:
        self._report, self._stage = report, LOADING
        self._images = self._epochs = 0
        self._heldout_accuracy: float | None = None
        self._steps = 0
        self._ended: tuple[EndedEpoch, ...] = ()

    def loading(self, done: int, total: int) -> None:
        self._report(Progress(LOADING, step=done, steps=total))

    def part(self, name: str, done: int = 0, total: int = 0) -> None:
        self._report(
            Progress(
                self._stage,
                part=name,
                step=done,
                steps=total,
                heldout_accuracy=self._heldout_accuracy,
                ended=self._ended,
            )
        )

    def planned(self, images: int, epochs: int) -> None:
        self._images, self._epochs = images, epochs

    def stage(self, name: str) -> None:
        """Report the start of a stage; the accuracy of the last epoch stays visible."""
        self._stage, heldout = name, self._heldout_accuracy
        self._report(Progress(name, heldout_accuracy=heldout, ended=self._ended))

    def fold(self, done: int, total: int) -> None:
        self._report(Progress(self._stage, step=done, steps=total))

    def step(self, step: Step) -> None:
        self._steps = step.steps
        epochs_left = step.epochs - step.epoch + 1 - step.step / step.steps
        self._report(
            Progress(
                TRAINING,
                epoch=step.epoch,
                epochs=step.epochs,
                step=step.step,
                steps=step.steps,
                rate=step.rate,
                loss=step.loss,
                accuracy=step.accuracy,
                heldout_accuracy=self._heldout_accuracy,
                left_s=left_s(epochs_left * self._images, 0, step.rate),
                ended=self._ended,
            )
        )

    def epoch(self, epoch: Epoch) -> None:
        self._heldout_accuracy = epoch.heldout_accuracy
        ended = EndedEpoch(epoch.number, epoch.loss, epoch.accuracy, epoch.heldout_accuracy)
        self._ended = (*self._ended, ended)[-ENDED_REPORTED:]
        self._report(
            Progress(
                TRAINING,
                epoch=epoch.number,
                epochs=self._epochs,
                step=self._steps,
                steps=self._steps,
                loss=epoch.loss,
                accuracy=epoch.accuracy,
                heldout_accuracy=epoch.heldout_accuracy,
                ended=self._ended,
            )
        )
