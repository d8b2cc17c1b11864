"""The request to train a version from data and a recipe, and to promote it if it is better."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from shared.errors import SetupError, UsageError
from shared.messages.model_card import Card, Preprocessing
from shared.messages.replies import Trained
from shared.messages.requests import Progress, Train
from shared.registry import staging
from shared.registry.mirror_writer import refresh
from worker.datasets import load
from worker.datasets.examples import Examples
from worker.datasets.load import Loaded
from worker.handlers import promotion
from worker.handlers.context import Context, Reply
from worker.recipes import recipes
from worker.recipes.recipes import Recipe
from worker.training.checkpoint import OtherTraining
from worker.training.epoch import Epoch, Step
from worker.training.schedule import plan

log = logging.getLogger(__name__)
LOADING, TRAINING, PUBLISHING = "loading", "training", "publishing"
STATE = "state.npz"


def train(context: Context, work: Train) -> Reply:
    """A Trained. A later attempt resumes after the last completed epoch.

    Raises:
        UsageError: there is no such recipe.
        SetupError: the data are not available or not usable, or the runtimes disagree.
        RequestStopped: the request was cancelled or taken over.
    """
    recipe = _recipe(work)
    context.stage(LOADING)
    loaded = _load(context, work, recipe.size, None)
    card = staging.published(context.registry, work.name, context.request.mark)
    if card is None:
        card = _make(context, work, recipe, loaded)
    decided = promotion.settle(context, card, work.promote, _heldout(context, work, loaded))
    refresh(context.client, context.registry)
    seconds = time.time() - context.started
    return Reply(Trained(card.ref, card.metrics, decided, seconds, loaded.report))


def _recipe(work: Train) -> Recipe:
    try:
        recipe = recipes.find(work.recipe)
    except SetupError as error:
        raise UsageError(str(error)) from error
    return recipe.lasting(work.epochs) if work.epochs else recipe


def _load(
    context: Context,
    work: Train,
    size: tuple[int, int, int] | None,
    spec: Preprocessing | None,
) -> Loaded:
    def report_progress(done: int, total: int) -> None:
        context.report(Progress(LOADING, step=done, steps=total))

    return load.load(
        work.data,
        size,
        spec,
        context.folder,
        max_unreadable=work.max_unreadable,
        on_progress=report_progress,
    )


def _make(context: Context, work: Train, recipe: Recipe, loaded: Loaded) -> Card:
    try:
        return _trained(context, work, recipe, loaded)
    except OtherTraining:
        log.warning(
            "request %s starts over: its checkpoint is of another Hangtag version or of other data",
            context.request.id,
        )
        (context.folder / STATE).unlink(missing_ok=True)
        return _trained(context, work, recipe, loaded)


def _trained(context: Context, work: Train, recipe: Recipe, loaded: Loaded) -> Card:
    from worker.training import build_version

    count = len(loaded.data.examples.labels)
    reporter = ProgressReporter(context.report, count, plan(recipe, count).epochs)
    made = build_version.build_version(
        work.name,
        recipe,
        loaded.data,
        work.seed,
        state=context.folder / STATE,
        request=context.request.mark,
        source=work.data,
        weighted=work.weighted,
        precision=work.precision,
        on_epoch=reporter.epoch,
        on_step=reporter.step,
        on_stage=reporter.stage,
    )
    reporter.stage(PUBLISHING)
    return context.registry.publish(*made, who=context.who, confirm=context.confirm)


def _heldout(context: Context, work: Train, loaded: Loaded) -> promotion.HeldOut:
    """Returns the held-out images, preprocessed for this or for another version."""

    def heldout(spec: Preprocessing) -> Examples | None:
        if spec == loaded.data.preprocessing:
            return loaded.data.heldout
        try:
            return _load(context, work, None, spec).data.heldout
        except SetupError:  # the other version may need colour while these images are grey
            return None

    return heldout


class ProgressReporter:
    """Converts steps and epochs of a training on `count` images to progress reports."""

    def __init__(self, report: Callable[[Progress], None], count: int, epochs: int) -> None:
        self._report, self._count, self._epochs = report, count, epochs
        self._heldout_accuracy: float | None = None
        self._steps = 0

    def stage(self, name: str) -> None:
        """Report the start of a stage; the accuracy of the last epoch stays visible."""
        self._report(Progress(name, heldout_accuracy=self._heldout_accuracy))

    def step(self, step: Step) -> None:
        """Report a step within an epoch."""
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
                left_s=epochs_left * self._count / step.rate if step.rate else None,
            )
        )

    def epoch(self, epoch: Epoch) -> None:
        """Report the end of an epoch."""
        self._heldout_accuracy = epoch.heldout_accuracy
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
            )
        )
