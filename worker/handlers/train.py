"""The request to train a version from data and a recipe, and to promote it if it is better."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from shared import recipes
from shared.messages.replies import DataReport
from shared.messages.requests import EndedEpoch, Progress
from shared.messages.training import Train, check_work
from shared.recipes import Recipe
from shared.throughput import left_s
from worker.evaluation.metrics import Epoch
from worker.handlers import model_corrections, promotion
from worker.handlers.context import LOADING, Context, Reply
from worker.handlers.model_corrections import ModelCorrections
from worker.learners import learner as learners
from worker.learners.learner import TRAINING, BuiltVersion, Learner, Observer, Task
from worker.training.epoch import OtherTraining, Step

log = logging.getLogger(__name__)
STATE = "state.npz"
CHOSEN = (
    "most of these images were labelled since they look alike or are in doubt: the held-out "
    "figures are about these, not about all images"
)
#: A producer polls several times a second; the epochs of a small data set take a hundredth of one.
ENDED_REPORTED = 50


def train(context: Context, work: Train) -> Reply:
    """A Trained. A later attempt resumes from the checkpoints, and finds features and pixels.

    Raises:
        UsageError: there is no such recipe, or an option does not apply to it.
        SetupError: the data are not available or not usable, the backbone is not installed, or
            the runtimes disagree.
        RequestStopped: the request was cancelled or taken over.
    """
    recipe = _recipe(work)
    context.stage(LOADING)
    corrections = model_corrections.of(context, work)
    task = Task(
        work,
        recipe,
        state=context.folder / STATE,
        store=context.registry.root,
        request=context.request.mark,
        corrections=corrections.files,
        observer=ProgressReporter(context.report),
    )
    learner = learners.load(task)
    card = promotion.published(
        context,
        work.name,
        lambda: corrections.in_version(_accepting(context, learner, corrections), learner.places()),
    )
    return promotion.trained(
        context,
        card,
        work.promote,
        data=_noted(work, corrections, learner.report),
        heldout_error=card.heldout_error,
        corrections=len(task.data.learned),
        earlier_corrections=corrections.earlier,
        right_of_others=card.right_of_others,
    )


def _recipe(work: Train) -> Recipe:
    check_work(work)
    recipe = recipes.find(work.recipe)
    return recipe.lasting(work.epochs) if work.epochs else recipe


def _noted(work: Train, corrections: ModelCorrections, report: DataReport) -> DataReport:
    """With what is to be said of the labels: of figures that are not those of all images, too."""
    noted = corrections.noted(report)
    if not work.labelled_only:
        return noted
    return msgspec.structs.replace(noted, notes=(*noted.notes, CHOSEN))


def _accepting(
    context: Context, learner: Learner[Any], corrections: ModelCorrections
) -> BuiltVersion:
    """The version that is built; one of a labels file accepts what is known of other images."""
    task = learner.task
    if not task.work.labelled_only:
        return _built(context, learner)
    from worker.handlers import unlabelled_acceptance

    others = unlabelled_acceptance.judged(context, task, corrections.excluded)
    return unlabelled_acceptance.applied(task, _built(context, learner), others)


def _built(context: Context, learner: Learner[Any]) -> BuiltVersion:
    while True:  # each checkpoint is deleted once at most: a new one has the current key
        try:
            return learner.build()
        except OtherTraining as other:
            log.warning(
                "request %s starts over: %s is of another Hangtag version or of other data",
                context.request.id,
                other.path.name,
            )
            other.path.unlink(missing_ok=True)


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
