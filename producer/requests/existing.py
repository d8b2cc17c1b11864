"""Follows or cancels an existing request by its id; finds the one that the same command follows."""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from producer.present.events import Events
from producer.requests.client import RequestClient, broker_errors, opened, user_name
from producer.requests.open_requests import ELSEWHERE, open_requests
from producer.requests.submit import check_outcome
from producer.requests.wait import RequestWaiter, stored_outcome
from producer.stack import stack
from shared.broker.runtime_paths import socket_path
from shared.errors import BadMessage, BrokerAway, RequestCancelled, SetupError, UsageError, no_such
from shared.ledger import cancelled_requests, request_store
from shared.ledger.request_states import RequestState
from shared.messages.requests import REQUEST_ID, Outcome, Progress, Request, Work
from shared.settings import Settings
from shared.stop import Stop, Waits

#: The state of a request that has an outcome, and no answer.
FAILED = "failed"


class NoSuchRequest(UsageError):
    """There is no request with this id."""


class RequestNow(NamedTuple):
    state: str  #: as of `open_requests`; or done, failed, cancelled
    progress: Progress | None = None
    error: str = ""  #: of a failed one


def follow(
    settings: Settings,
    request_id: str,
    *,
    timeout_s: float | None = None,
    events: Events | None = None,
    stop: Stop | None = None,
) -> tuple[Request, Outcome]:
    """Wait for an existing request, and return its good outcome. Its state is reported at each poll
    (Viewed).

    Raises:
        UsageError: there is no such request.
        SetupError, RequestCancelled, StillOpen, Stopped: as `submit`.
    """
    events = events or Events()
    with closing(Waits(stop or Stop())) as waits:
        request = find(settings, request_id, waits)
        outcome = stored_outcome(settings, request_id)
        if outcome is None:
            if not settings.redis_url:
                stack.check_can(settings, request.work)
            with opened(settings, waits) as client:
                outcome = RequestWaiter(
                    settings, client, request, events, waits, timeout_s=timeout_s
                ).wait()
    return request, check_outcome(outcome)


def cancel(settings: Settings, request_id: str) -> str:
    """Cancel a request, so that no trainer works on it any more; returns what was done.

    Raises:
        UsageError: there is none, or it has finished.
        SetupError: the store cannot be written.
        BrokerAway: the broker does not answer.
    """
    request = None  # if it cannot be read
    try:
        with suppress(BadMessage):
            request = find(settings, request_id)
    except RequestCancelled as error:
        return str(error)
    except UsageError:
        if _is_unreadable(settings, request_id):
            cancelled_requests.record(settings.store_path, request_id, None)
            return f"request {request_id} is cancelled"
        if not _is_of_broker(settings, request_id):
            raise
        return _deleted(settings.store_path, request_id)
    finished = stored_outcome(settings, request_id) is not None
    if finished or not _cancelled(settings, request_id, request):
        raise UsageError(f"request {request_id} has finished; there is nothing to cancel")
    return f"request {request_id} is cancelled"


def state_now(settings: Settings, request_id: str) -> RequestNow:
    """The state of a request, open or not.

    Raises:
        UsageError: there is none.
        BrokerAway: the broker does not answer.
    """
    outcome = stored_outcome(settings, request_id)
    if outcome is None and settings.redis_url:
        with closing(RequestClient(settings)) as client, broker_errors(settings):
            view = client.get(request_id)
        outcome = None if view is None else view.outcome
        if view is not None and view.state is RequestState.CANCELLED:
            return RequestNow(RequestState.CANCELLED)
    if outcome is not None:
        return RequestNow(RequestState.DONE if outcome.ok else FAILED, None, outcome.error)
    for request in open_requests(settings):
        if request.request == request_id:
            return RequestNow(request.state, request.progress)
    if _was_cancelled(settings, request_id):
        return RequestNow(RequestState.CANCELLED)
    raise _no_such(request_id)


def own_open_request(settings: Settings, work: Work) -> str:
    """The id of this user's request for the same work, which was interrupted; empty if none is
    open."""
    with suppress(BrokerAway):  # the submission reports it
        for request in open_requests(settings):
            if request.work == work and request.who == user_name() and request.state != ELSEWHERE:
                return request.request
    return ""


def _is_of_broker(settings: Settings, request_id: str) -> bool:
    """Whether the trainer of a broker that is not in use here has left a request in the store."""
    if settings.redis_url:
        return False
    left = request_store.unanswered(settings.store_path, here=False)
    return any(request.id == request_id for request in left)


def _is_unreadable(settings: Settings, request_id: str) -> bool:
    """Whether the store alone has a request, and it cannot be read."""
    return not settings.redis_url and request_id in request_store.unreadable(settings.store_path)


def _deleted(store: Path, request_id: str) -> str:
    # A trainer there may still work on it, so the rest of its folder stays.
    request_store.forget(store, request_id, in_use=True)
    if request_store.load(store, request_id) is not None:
        raise SetupError(f"request {request_id} cannot be deleted; make {store} writable")
    return (
        f"request {request_id} was submitted at a broker; it is deleted from {store}. If that "
        "broker still has it, cancel it there as well, with HANGTAG_REDIS_URL"
    )


def _cancelled(settings: Settings, request_id: str, request: Request | None) -> bool:
    with opened(settings) as client, broker_errors(settings):
        if request is not None:
            client.requests.submit(request)  # this machine's server may have lost it
        running = request_id not in client.requests.waiting()
        cancelled = client.requests.cancel(request_id)
    if cancelled and not settings.redis_url:
        cancelled_requests.record(settings.store_path, request_id, request, in_use=running)
    return cancelled


def _stored(settings: Settings, request_id: str) -> Request | None:
    store = settings.store_path
    if request_store.is_here(store, request_id):
        return request_store.load(store, request_id)
    finished = request_store.outcome(store, request_id) is not None
    return request_store.load(store, request_id) if finished else None


def is_known(settings: Settings, request_id: str, stop: Stop | None = None) -> bool:
    """Whether there is a request with this id, of any work, so that submitting it makes no other.

    Raises:
        BrokerAway: the broker does not answer.
        Stopped: the caller has stopped it.
    """
    if not REQUEST_ID.fullmatch(request_id):
        return False
    if not settings.redis_url:  # the store has those of this machine's stack
        outcome = request_store.outcome(settings.store_path, request_id)
        known = outcome is not None or _stored(settings, request_id) is not None
        return known or _was_cancelled(settings, request_id)
    with closing(Waits(stop or Stop())) as waits, closing(RequestClient(settings, waits)) as client:
        try:
            with broker_errors(settings):
                return client.get(request_id) is not None
        except BadMessage:  # the submission reports it
            return True


def _was_cancelled(settings: Settings, request_id: str) -> bool:
    here = not settings.redis_url
    return here and cancelled_requests.is_cancelled(settings.store_path, request_id)


def find(settings: Settings, request_id: str, waits: Waits | None = None) -> Request:
    """A request by its id: from Redis, or from the store of this machine's stack.

    Raises:
        UsageError: there is none.
        RequestCancelled: it was cancelled, and its stack has ended since.
        BrokerAway: the broker does not answer.
        Stopped: as `waits` say.
    """
    request = None
    if not settings.redis_url:
        request = _stored(settings, request_id)
    if request is None and (settings.redis_url or socket_path(settings).exists()):
        with opened(settings, waits) as client, broker_errors(settings):
            view = client.get(request_id)
        request = view.request if view is not None else None
    if request is not None:
        return request
    if _was_cancelled(settings, request_id):
        raise RequestCancelled(f"request {request_id} is cancelled")
    if _is_of_broker(settings, request_id):
        raise UsageError(
            f"request {request_id} was submitted at a broker; follow it with HANGTAG_REDIS_URL, or "
            f"delete it with: hangtag cancel {request_id}"
        )
    if _is_unreadable(settings, request_id):
        raise UsageError(
            f"request {request_id} is stored and cannot be read: version 0.2.0 or another one "
            f"wrote it, or it is damaged; cancel it with: hangtag cancel {request_id}"
        )
    raise _no_such(request_id)


def _no_such(request_id: str) -> NoSuchRequest:
    return NoSuchRequest(no_such("request", request_id, (), "hangtag train --list"))
