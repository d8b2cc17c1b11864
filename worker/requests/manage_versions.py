"""Promotion, rollback and removal by the trainer, with `shared/registry`."""

from __future__ import annotations

import logging
from collections.abc import Callable

from redis.exceptions import RedisError

from shared.ledger.jobs import pinned
from shared.ledger.request_inbox import RequestInbox
from shared.ledger.request_store import open_requests
from shared.messages.replies import Decided, Pruned
from shared.messages.requests import Promote, Prune, Remove, Request, Rollback
from shared.registry import alias_operations, removal
from shared.registry.mirror_writer import refresh
from worker.requests.context import PROMOTING, Context, Reply

log = logging.getLogger(__name__)
PRUNING = "pruning"
REMOVING = "removing"


def promote(context: Context, work: Promote) -> Reply:
    """Reply with a `Decided`. Raises SetupError, RequestStopped."""
    return _moved(context, alias_operations.promote, work)


def rollback(context: Context, work: Rollback) -> Reply:
    """Reply with a `Decided`. Raises SetupError, RequestStopped."""
    return _moved(context, alias_operations.rollback, work)


def prune(context: Context, work: Prune) -> Reply:
    """A Pruned. Versions that a job in Redis or an open request needs are not deleted.

    Raises:
        SetupError: as `removal.prune`.
        RequestStopped: the request was cancelled.
    """
    context.stage(PRUNING)
    requests = _open_requests(context)
    busy = pinned(context.client, work.name)
    pruned = removal.prune(context.registry, work, busy, requests, confirm=context.confirm)
    return _deleted(context, pruned)


def remove(context: Context, work: Remove) -> Reply:
    """A Pruned.

    Raises:
        SetupError: as `removal.remove`.
        RequestStopped: the request was cancelled.
    """
    context.stage(REMOVING)
    removed = removal.remove(
        context.registry,
        work,
        pinned(context.client, work.name),
        _open_requests(context),
        who=context.who,
        confirm=context.confirm,
    )
    return _deleted(context, removed)


def _deleted(context: Context, pruned: Pruned) -> Reply:
    try:
        refresh(context.client, context.registry)
    except RedisError as error:  # no retry: it would report that nothing was left to delete
        log.warning("the copies in Redis will be updated later: %s", error)
    return Reply(pruned)


def _open_requests(context: Context) -> list[Request]:
    """The open requests in the store, and those that no trainer has stored yet."""
    inbox = RequestInbox(context.client)
    return [*open_requests(context.registry.root), *inbox.open_requests()]


def _moved(context: Context, move: Callable[..., Decided], work: Promote | Rollback) -> Reply:
    context.stage(PROMOTING)
    registry, mark = context.registry, context.request.mark
    decided = move(registry, work, context.who, request=mark, confirm=context.confirm)
    refresh(context.client, registry)
    return Reply(decided)
