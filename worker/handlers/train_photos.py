"""The request to train on photos: a head, or a whole network that is measured on one fold."""

from __future__ import annotations

import hashlib
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from shared import recipes
from shared.broker.runtime_paths import stack_id
from shared.errors import BadMessage, RequestCancelled, SetupError, UsageError
from shared.ledger import cancelled_requests, request_store
from shared.ledger.requests import RequestLedger
from shared.messages.model_card import Card, Preprocessing
from shared.messages.replies import Trained
from shared.messages.requests import Progress, Request
from shared.messages.training import Rule, Train
from shared.recipes import Recipe
from shared.registry import staging
from shared.registry.mirror_writer import refresh
from worker.backbones import table
from worker.datasets import load
from worker.datasets.examples import Examples
from worker.datasets.split import HELDOUT, Parts
from worker.handlers import model_corrections, promotion
from worker.handlers.context import LOADING, PUBLISHING, Context, Reply
from worker.handlers.model_corrections import ModelCorrections
from worker.handlers.training_progress import TRAINING, FoldReporter, ProgressReporter
from worker.training.checkpoint import OtherTraining
from worker.training.schedule import plan

if TYPE_CHECKING:
    from worker.training.build_version import BuiltVersion
    from worker.training.photo_folder import PhotoFolder

log = logging.getLogger(__name__)
#: A fold of fewer photos could not tell a better network from a lucky one.
FEWEST_PHOTOS = 100
#: Of a request's id, so that the trials' ids are valid; the last ones hash a longer id.
ID_CHARS, HASH_CHARS = 48, 8


def train(context: Context, work: Train, recipe: Recipe) -> Reply:
    """A Trained. A later attempt finds the features and checkpoints that this one has stored.

    Raises:
        SetupError: the data are not available or not usable, the backbone is not installed, or the
            runtimes disagree.
        RequestStopped: the request was cancelled or taken over.
    """
    from worker.training import photo_folder

    backbone = table.find(recipe.backbone)
    context.stage(LOADING)
    corrections = model_corrections.of(context, work)
    folder = photo_folder.load(
        Path(work.data),
        backbone,
        context.registry.root,
        work.max_unreadable,
        lambda done, total: _report_loading(context, done, total),
        corrections.files,
        remembered=recipe.network == "head",
        on_part=context.loading_part,
    )
    card = staging.published(context.registry, work.name, context.request.mark)
    if card is None:
        card = _publish(context, work, recipe, folder, corrections)
    heldout = _heldout(context, work, corrections, folder.learn.parts)
    decided = promotion.settle(context, card, work.promote, heldout)
    refresh(context.client, context.registry)
    seconds = time.time() - context.started
    trials = submit_trials(context, work, len(folder.learn.labels))
    return Reply(
        Trained(
            card.ref,
            card.metrics,
            decided,
            seconds,
            corrections.noted(folder.report),
            card.heldout_error,
            trials,
            trials_promote(work),
            len(corrections.files),
            corrections.earlier,
        )
    )


def _report_loading(context: Context, done: int, total: int) -> None:
    context.report(Progress(LOADING, step=done, steps=total))


def _publish(
    context: Context,
    work: Train,
    recipe: Recipe,
    folder: PhotoFolder,
    corrections: ModelCorrections,
) -> Card:
    made = _head(context, work, recipe, folder) if recipe.network == "head" else None
    while made is None:  # each checkpoint is deleted once at most: a new one has the current key
        try:
            made = _network(context, work, recipe, folder, corrected=bool(corrections.files))
        except OtherTraining as other:
            log.warning("request %s starts over: %s", context.request.id, other)
            other.path.unlink(missing_ok=True)
    context.stage(PUBLISHING)
    made = corrections.in_version(made)
    return context.registry.publish(*made, who=context.who, confirm=context.confirm)


def _head(context: Context, work: Train, recipe: Recipe, folder: PhotoFolder) -> BuiltVersion:
    from worker.training import photo_version

    return photo_version.build_photo_version(
        work,
        recipe,
        table.find(recipe.backbone),
        folder,
        request=context.request.mark,
        on_stage=context.stage,
        on_fold=FoldReporter(context.report, TRAINING).fold,
    )


def _network(
    context: Context, work: Train, recipe: Recipe, folder: PhotoFolder, *, corrected: bool
) -> BuiltVersion:
    from worker.photo_trials import trial

    def started(recipe: Recipe, photos: int) -> trial.Observer:
        reporter = ProgressReporter(context.report, photos, plan(recipe, photos).epochs)
        return trial.Observer(reporter.epoch, reporter.step, reporter.stage)

    return trial.build_trial(
        work,
        recipe,
        folder,
        context.folder,
        request=context.request.mark,
        corrected=corrected,
        observed=started,
        on_progress=lambda done, total: _report_loading(context, done, total),
    )


def _heldout(
    context: Context, work: Train, corrections: ModelCorrections, parts: Parts
) -> promotion.HeldOut:
    """Returns validation/, which an older version of this folder may have held out; no fold."""

    def heldout(spec: Preprocessing) -> Examples | None:
        if HELDOUT not in parts:
            return None
        try:
            return load.load(
                work.data,
                None,
                spec,
                context.folder,
                max_unreadable=work.max_unreadable,
                corrections=corrections.files,
            ).data.heldout
        except SetupError:
            return None

    return heldout


def submit_trials(context: Context, work: Train, photos: int) -> tuple[str, ...]:
    """The ids of the trials of a head that learned from `photos` photos; the same in each attempt.

    Raises:
        redis.exceptions.RedisError: the server is unreachable or full.
        SetupError: the store cannot be written.
    """
    follow = recipes.find(work.recipe).trials
    if not follow or not work.minutes or photos < FEWEST_PHOTOS:
        return ()
    share = msgspec.structs.replace(work, minutes=work.minutes / len(follow))
    trials = [_trial(context, share, recipe) for recipe in follow]
    return tuple(trial.id for trial in trials if _submit(context, trial))


def trials_promote(work: Train) -> Rule:
    """When a trial of this head replaces it."""
    return "never" if work.promote == "never" else "if-clearly-better"


def _trial(context: Context, work: Train, recipe: str) -> Request:
    request = context.request
    return Request(
        f"{_shortened(request.id)}-{recipe.partition('-')[2]}",
        msgspec.structs.replace(work, recipe=recipe, promote=trials_promote(work), trial=True),
        request.who,
        request.created,
    )


def _shortened(request_id: str) -> str:
    if len(request_id) <= ID_CHARS:
        return request_id
    digest = hashlib.sha256(request_id.encode()).hexdigest()[:HASH_CHARS]
    return f"{request_id[: ID_CHARS - HASH_CHARS - 1]}-{digest}"


def _submit(context: Context, request: Request) -> bool:
    """False if another request has its id, which must not fail a training that has published, or if
    it was cancelled meanwhile."""
    settings = context.settings
    stack = None if settings.redis_url else stack_id(settings)
    try:
        cancelled_requests.check(context.registry.root, request)
        with request_store.kept(context.registry.root, request, context.input, stack):
            RequestLedger(context.client, settings.lease_s).submit(request, context.input)
    except (UsageError, BadMessage, RequestCancelled) as error:
        log.warning("request %s has no trial %s: %s", context.request.id, request.id, error)
        return False
    return True
