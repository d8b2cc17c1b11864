"""Requests that were made before, by their id: follow one, cancel one."""

from __future__ import annotations

from producer import neighbours
from producer.ask import good
from producer.desk import open_desk, reaching
from producer.follow import Follow, kept_outcome, watching
from shared import kept_requests
from shared.errors import UsageError
from shared.grant import State
from shared.place import socket_path
from shared.request import Outcome, Request
from shared.settings import Settings


def follow(
    settings: Settings, request_id: str, *, quiet: bool = False, timeout_s: float | None = None
) -> tuple[Request, Outcome]:
    """Wait for a request that was made before, and for its good outcome.

    Raises:
        UsageError: nobody knows such a request.
        SetupError, RequestCancelled, StillOpen, KeyboardInterrupt: as `ask`.
    """
    settings = neighbours.holder(settings, request_id)
    request = find(settings, request_id)
    outcome = kept_outcome(settings, request_id)
    if outcome is None:
        settings = neighbours.taken(settings, request)
        desk = open_desk(settings)
        with watching(request_id, quiet) as watch:
            outcome = Follow(settings, desk, request, watch, timeout_s=timeout_s).wait()
    return request, good(outcome)


def cancel(settings: Settings, request_id: str) -> None:
    """Let nobody work on a request any more.

    Raises:
        UsageError: there is none, or it is answered.
        BrokerAway: the broker does not answer.
    """
    settings = neighbours.holder(settings, request_id)
    request = find(settings, request_id)
    if kept_outcome(settings, request_id) is not None or not _cancelled(settings, request):
        raise UsageError(f"request {request_id} is answered; there is nothing to cancel")


def _cancelled(settings: Settings, request: Request) -> bool:
    desk = open_desk(settings)
    with reaching(settings):
        desk.requests.submit(request)  # if this machine's server has forgotten it
        view = desk.look(request.id)
        cancelled = desk.requests.cancel(request.id)
    running = view is not None and view.state is State.RUNNING
    if cancelled and not running and not settings.redis_url:
        kept_requests.forget(settings.store_path, request.id)  # a trainer would do so, too
    return cancelled


def _kept(settings: Settings, request_id: str) -> Request | None:
    store = settings.store_path
    kept = kept_requests.load(store, request_id)
    if kept is None or kept_requests.is_here(store, request_id):
        return kept
    return kept if kept_requests.outcome(store, request_id) is not None else None


def find(settings: Settings, request_id: str) -> Request:
    """A request by its id: from Redis, or from the store of this machine's stack.

    Raises:
        UsageError: there is none.
        BrokerAway: the broker does not answer.
    """
    found = None
    if not settings.redis_url:
        found = _kept(settings, request_id)
    if found is None and (settings.redis_url or socket_path(settings).exists()):
        desk = open_desk(settings)
        with reaching(settings):
            view = desk.look(request_id)
        found = view.request if view is not None else None
    if found is None:
        raise UsageError(f"there is no request {request_id!r:.80}; see: hangtag train --list")
    return found
