"""The request to train a version from data and a recipe, and to promote it if it is better."""

from __future__ import annotations

import logging
import time
from typing import Any

import msgspec

from shared import recipes
from shared.messages.model_card import Card
from shared.messages.replies import DataReport, Trained
from shared.messages.training import Train, check_work
from shared.recipes import Recipe
from shared.registry import staging
from shared.registry.mirror_writer import refresh
from worker.handlers import model_corrections, promotion
from worker.handlers.context import LOADING, PUBLISHING, Context, Reply
from worker.handlers.model_corrections import ModelCorrections
from worker.handlers.training_progress import ProgressReporter
from worker.learners import learner as learners
from worker.learners.learner import BuiltVersion, Learner, Task
from worker.training.epoch import OtherTraining

log = logging.getLogger(__name__)
STATE = "state.npz"
CHOSEN = (
    "most of these images were labelled since they look alike or are in doubt: the held-out "
    "figures are about these, not about all images"
)


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
    card = staging.published(context.registry, work.name, context.request.mark)
    if card is None:
        card = _published(context, learner, corrections)
    decided = promotion.settle(context, card, work.promote, learner.heldout)
    refresh(context.client, context.registry)
    seconds = time.time() - context.started
    return Reply(
        Trained(
            model=card.ref,
            metrics=card.metrics,
            decision=decided,
            seconds=seconds,
            data=_noted(work, corrections, learner.report),
            heldout_error=card.heldout_error,
            corrections=len(task.data.learned),
            earlier_corrections=corrections.earlier,
            right_of_others=card.right_of_others,
        )
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


def _published(context: Context, learner: Learner[Any], corrections: ModelCorrections) -> Card:
    made = corrections.in_version(_accepting(context, learner, corrections), learner.places())
    learner.task.observer.stage(PUBLISHING)
    return context.registry.publish(*made, who=context.who, confirm=context.confirm)


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
