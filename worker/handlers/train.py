"""The request to train a version from data and a recipe, and to promote it if it is better."""

from __future__ import annotations

import logging
import time

from shared import recipes
from shared.errors import SetupError
from shared.messages.model_card import Card, Preprocessing
from shared.messages.replies import Trained
from shared.messages.requests import Progress
from shared.messages.training import Train, check_work
from shared.recipes import Recipe
from shared.registry import staging
from shared.registry.mirror_writer import refresh
from worker.datasets import load
from worker.datasets.examples import Examples
from worker.datasets.load import Loaded
from worker.handlers import model_corrections, promotion, teacher_versions, train_photos
from worker.handlers.context import LOADING, PUBLISHING, Context, Reply
from worker.handlers.model_corrections import ModelCorrections
from worker.handlers.training_progress import ProgressReporter
from worker.training.checkpoint import OtherTraining
from worker.training.schedule import plan

log = logging.getLogger(__name__)
STATE = "state.npz"


def train(context: Context, work: Train) -> Reply:
    """A Trained. A later attempt resumes after the last completed epoch.

    Raises:
        UsageError: there is no such recipe, or an option does not apply to it.
        SetupError: the data are not available or not usable, a teacher does not exist or does not
            fit them, or the runtimes disagree.
        RequestStopped: the request was cancelled or taken over.
    """
    recipe = _recipe(work)
    if recipe.backbone:
        return train_photos.train(context, work, recipe)
    teachers = teacher_versions.pinned(context, work.teachers)
    context.stage(LOADING)
    corrections = model_corrections.of(context, work)
    loaded = _load(context, work, corrections, recipe.size, None)
    card = staging.published(context.registry, work.name, context.request.mark)
    if card is None:
        card = _make(context, work, recipe, loaded, corrections, teachers)
    heldout = _heldout(context, work, corrections, loaded)
    decided = promotion.settle(context, card, work.promote, heldout)
    refresh(context.client, context.registry)
    return Reply(
        Trained(
            card.ref,
            card.metrics,
            decided,
            time.time() - context.started,
            corrections.noted(loaded.report),
            corrections=len(corrections.files),
            earlier_corrections=corrections.earlier,
        )
    )


def _recipe(work: Train) -> Recipe:
    check_work(work)
    recipe = recipes.find(work.recipe)
    return recipe.lasting(work.epochs) if work.epochs else recipe


def _load(
    context: Context,
    work: Train,
    corrections: ModelCorrections,
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
        corrections=corrections.files,
        on_progress=report_progress,
    )


def _make(
    context: Context,
    work: Train,
    recipe: Recipe,
    loaded: Loaded,
    corrections: ModelCorrections,
    teachers: tuple[str, ...],
) -> Card:
    while True:  # each checkpoint is deleted once at most: a new one has the current key
        try:
            return _trained(context, work, recipe, loaded, corrections, teachers)
        except OtherTraining as other:
            log.warning(
                "request %s starts over: %s is of another Hangtag version or of other data",
                context.request.id,
                other.path.name,
            )
            other.path.unlink(missing_ok=True)


def _trained(
    context: Context,
    work: Train,
    recipe: Recipe,
    loaded: Loaded,
    corrections: ModelCorrections,
    teachers: tuple[str, ...],
) -> Card:
    from worker.training import build_version
    from worker.training.teachers import Teachers

    count = len(loaded.data.examples.labels)
    reporter = ProgressReporter(
        context.report, count, plan(recipe, count).epochs, work.teach_by, len(teachers)
    )
    made = build_version.build_version(
        work,
        recipe,
        loaded.data,
        state=context.folder / STATE,
        request=context.request.mark,
        teachers=Teachers(work.teach_by, teacher_versions.read(context, teachers)),
        on_epoch=reporter.epoch,
        on_step=reporter.step,
        on_stage=reporter.stage,
        on_teacher=reporter.teacher,
    )
    reporter.stage(PUBLISHING)
    made = corrections.in_version(made)
    return context.registry.publish(*made, who=context.who, confirm=context.confirm)


def _heldout(
    context: Context, work: Train, corrections: ModelCorrections, loaded: Loaded
) -> promotion.HeldOut:
    """Returns the held-out images, preprocessed for this or for another version."""

    def heldout(spec: Preprocessing) -> Examples | None:
        if spec == loaded.data.preprocessing:
            return loaded.data.heldout
        try:
            return _load(context, work, corrections, None, spec).data.heldout
        except SetupError:  # the other version may need colour while these images are grey
            return None

    return heldout
