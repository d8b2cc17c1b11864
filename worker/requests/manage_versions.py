"""Promotion, rollback and removal by the trainer."""

from __future__ import annotations

import logging

from redis.exceptions import RedisError

from shared.ledger.jobs import pinned
from shared.ledger.request_inbox import RequestInbox
from shared.ledger.request_store import open_requests
from shared.messages.requests import Promote, Remove, Request, Rollback
from shared.registry import operations
from shared.registry.mirror_writer import refresh
from worker.requests.context import PROMOTING, Context, Reply

log = logging.getLogger(__name__)
REMOVING = "removing"


def move(context: Context, work: Promote | Rollback) -> Reply:
    """A Decided. Raises SetupError, RequestStopped."""
    context.stage(PROMOTING)
    mark = context.request.mark
    decided = operations.move(
        context.registry, work, context.who, request=mark, confirm=context.confirm
    )
    refresh(context.client, context.registry)
    return Reply(decided)


def remove(context: Context, work: Remove) -> Reply:
    """A Pruned. What a job in Redis or an open request needs is not deleted.

    Raises:
        SetupError: as `operations.remove`.
        RequestStopped: the request was cancelled.
    """
    context.stage(REMOVING)
    removed = operations.remove(
        context.registry,
        work,
        pinned(context.client, work.name),
        _open_requests(context),
        who=context.who,
        confirm=context.confirm,
    )
    try:
        refresh(context.client, context.registry)
    except RedisError as error:  # a repeated request would find nothing to delete
        log.warning("the copies in Redis will be updated later: %s", error)
    return Reply(removed)


def _open_requests(context: Context) -> list[Request]:
    """The open requests in the store, and those that no trainer has stored yet."""
    inbox = RequestInbox(context.client)
    return [*open_requests(context.registry.root), *inbox.open_requests()]
