"""The request to train a version from data and a recipe, and to promote it if it is better."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from shared import recipes
from shared.messages.replies import DataReport
from shared.messages.training import Train, check_work
from shared.recipes import Recipe
from worker.requests import model_corrections, promotion
from worker.requests.context import LOADING, Context, Reply
from worker.requests.model_corrections import ModelCorrections
from worker.train import learner as learners
from worker.train.checkpoint import OtherTraining
from worker.train.learner import BuiltVersion, Learner, Observer, Task

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
    corrections = model_corrections.to_learn(context, work)
    task = Task(
        work,
        recipe,
        state=context.folder / STATE,
        store=context.registry.root,
        request=context.request.mark,
        corrections=corrections.files,
        observer=Observer(context.report),
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
    from worker.requests import unlabelled_acceptance

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
