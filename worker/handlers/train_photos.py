"""The request to train a head on photos: features, head, publication, gate."""

from __future__ import annotations

import time
from pathlib import Path

from shared.errors import SetupError, UsageError
from shared.messages.model_card import Preprocessing
from shared.messages.replies import Trained
from shared.messages.requests import FASHION_MNIST, Progress, Train
from shared.registry import staging
from shared.registry.mirror_writer import refresh
from worker.backbones import table
from worker.datasets import load
from worker.datasets.examples import Examples
from worker.handlers import promotion
from worker.handlers.context import Context, Reply
from worker.recipes.recipes import Recipe

LOADING, PUBLISHING = "loading", "publishing"


def train(context: Context, work: Train, recipe: Recipe) -> Reply:
    """A Trained. A later attempt finds the features that this one has computed.

    Raises:
        UsageError: the data are not a folder.
        SetupError: the data are not available or not usable, the backbone is not installed, or the
            runtimes disagree.
        RequestStopped: the request was cancelled or taken over.
    """
    from worker.training import photo_folder, photo_version

    if work.data == FASHION_MNIST:
        raise UsageError(f"the recipe {recipe.name} is for photos; name a folder with --data")
    backbone = table.find(recipe.backbone)
    context.stage(LOADING)

    def report(done: int, total: int) -> None:
        context.report(Progress(LOADING, step=done, steps=total))

    folder = photo_folder.load(
        Path(work.data), backbone, context.registry.root, work.max_unreadable, report
    )
    card = staging.published(context.registry, work.name, context.request.mark)
    if card is None:
        made = photo_version.build_photo_version(
            work.name,
            recipe,
            backbone,
            folder,
            work.seed,
            request=context.request.mark,
            source=work.data,
            weighted=work.weighted,
            requested=work.precision,
            on_stage=context.stage,
        )
        context.stage(PUBLISHING)
        card = context.registry.publish(*made, who=context.who, confirm=context.confirm)
    decided = promotion.settle(context, card, work.promote, _heldout(context, work))
    refresh(context.client, context.registry)
    seconds = time.time() - context.started
    return Reply(Trained(card.ref, card.metrics, decided, seconds, folder.report))


def _heldout(context: Context, work: Train) -> promotion.HeldOut:
    """Returns the images that an older version of this folder may have held out."""

    def heldout(spec: Preprocessing) -> Examples | None:
        try:
            return load.load(
                work.data, None, spec, context.folder, max_unreadable=work.max_unreadable
            ).data.heldout
        except SetupError:
            return None

    return heldout
