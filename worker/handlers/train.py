"""The request to train: data and a recipe become a version, and perhaps production."""

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
    """A Trained. An attempt that follows another one goes on from its last epoch.

    Raises:
        UsageError: there is no such recipe.
        SetupError: the data are not to be had or do not do, or the runtimes disagree.
        Stopped: the request was cancelled, or is somebody else's now.
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
    def tell(done: int, total: int) -> None:
        context.report(Progress(LOADING, step=done, steps=total))

    return load.load(
        work.data,
        size,
        spec,
        context.folder,
        max_unreadable=work.max_unreadable,
        on_progress=tell,
    )


def _make(context: Context, work: Train, recipe: Recipe, loaded: Loaded) -> Card:
    try:
        return _trained(context, work, recipe, loaded)
    except OtherTraining:
        log.warning(
            "request %s starts over: another Hangtag has begun it, or with other data",
            context.request.id,
        )
        (context.folder / STATE).unlink(missing_ok=True)
        return _trained(context, work, recipe, loaded)


def _trained(context: Context, work: Train, recipe: Recipe, loaded: Loaded) -> Card:
    from worker.training import build_version

    count = len(loaded.data.examples.labels)
    teller = ProgressReporter(context.report, count, plan(recipe, count).epochs)
    made = build_version.build_version(
        work.name,
        recipe,
        loaded.data,
        work.seed,
        state=context.folder / STATE,
        request=context.request.mark,
        source=work.data,
        weighted=work.weighted,
        on_epoch=teller.epoch,
        on_step=teller.step,
        on_stage=teller.stage,
    )
    teller.stage(PUBLISHING)
    return context.registry.publish(*made, who=context.who, confirm=context.confirm)


def _heldout(context: Context, work: Train, loaded: Loaded) -> promotion.HeldOut:
    """The same held-out pictures, also as another version sees them."""

    def heldout(spec: Preprocessing) -> Examples | None:
        if spec == loaded.data.preprocessing:
            return loaded.data.heldout
        try:
            return _load(context, work, None, spec).data.heldout
        except SetupError:  # it takes colour, say, where these are grey
            return None

    return heldout


class ProgressReporter:
    """Makes progress of the steps and epochs of a training on `count` images."""

    def __init__(self, report: Callable[[Progress], None], count: int, epochs: int) -> None:
        self._report, self._count, self._epochs = report, count, epochs
        self._heldout_accuracy: float | None = None
        self._steps = 0

    def stage(self, name: str) -> None:
        """A stage of its own. What the last epoch came to stays visible."""
        self._report(Progress(name, heldout_accuracy=self._heldout_accuracy))

    def step(self, step: Step) -> None:
        """In the middle of an epoch."""
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
        """After an epoch."""
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
