"""Requests to promote, roll back and prune: what `shared/moves.py` does, done by the trainer."""

from __future__ import annotations

import logging
from collections.abc import Callable

from redis.exceptions import RedisError

from shared import moves
from shared.answer import Decided
from shared.copies import refresh
from shared.pinned import pinned
from shared.request import Promote, Prune, Rollback
from worker.context import Answered, Context

log = logging.getLogger(__name__)
STAGE = "promoting"
PRUNING = "pruning"


def promote(context: Context, work: Promote) -> Answered:
    """A Decided. Raises SetupError, Stopped."""
    return _moved(context, moves.promote, work)


def rollback(context: Context, work: Rollback) -> Answered:
    """A Decided. Raises SetupError, Stopped."""
    return _moved(context, moves.rollback, work)


def prune(context: Context, work: Prune) -> Answered:
    """A Pruned. Versions that a job in Redis is pinned to stay. Raises SetupError, Stopped."""
    context.stage(PRUNING)
    busy = pinned(context.client, work.name)
    pruned = moves.prune(context.registry, work, busy, confirm=context.confirm)
    try:
        refresh(context.client, context.registry)
    except RedisError as error:  # run again, it would find nothing that is left to be removed
        log.warning("the copies in Redis are brought up to date later: %s", error)
    return Answered(pruned)


def _moved(context: Context, move: Callable[..., Decided], work: Promote | Rollback) -> Answered:
    context.stage(STAGE)
    registry, mark = context.registry, context.request.mark
    decided = move(registry, work, context.who, request=mark, confirm=context.confirm)
    refresh(context.client, registry)
    return Answered(decided)
