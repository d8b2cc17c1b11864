"""Follows or cancels an existing request by its id; finds the one that the same command follows."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import NamedTuple

from producer.present.events import Events
from producer.requests.client import opened, read, user_name
from producer.requests.open_requests import open_requests, state_of
from producer.requests.submit import check_outcome
from producer.requests.wait import RequestWaiter
from producer.stack import stack
from shared.errors import BadMessage, BrokerAway, RequestCancelled, UsageError, no_such
from shared.ledger.request_store import RequestState, RequestView
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
        view = find(settings, request_id, waits)
        request, outcome = view.request, view.outcome
        if view.state is RequestState.CANCELLED:
            raise RequestCancelled(f"request {request_id} is cancelled")
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
    view = None
    with suppress(BadMessage):  # one that cannot be read can be cancelled
        view = find(settings, request_id)
    if view is None or view.is_open:
        with read(settings) as requests:
            requests.cancel(request_id)
            with suppress(BadMessage):
                view = requests.get(request_id)
    if view is not None and view.state is not RequestState.CANCELLED:
        raise UsageError(f"request {request_id} has finished; there is nothing to cancel")
    return f"request {request_id} is cancelled"


def state_now(settings: Settings, request_id: str) -> RequestNow:
    """The state of a request, open or not.

    Raises:
        UsageError: there is none.
        BrokerAway: the broker does not answer.
    """
    view = find(settings, request_id)
    if view.outcome is not None:
        state = RequestState.DONE if view.outcome.ok else FAILED
        return RequestNow(state, None, view.outcome.error)
    if view.state is RequestState.CANCELLED:
        return RequestNow(view.state)
    return RequestNow(state_of(settings, view), view.progress)


def own_open_request(settings: Settings, work: Work) -> str:
    """The id of this user's request for the same work, which was interrupted; empty if none is
    open."""
    with suppress(BrokerAway):  # the submission reports it
        for request in open_requests(settings):
            if request.work == work and request.who == user_name():
                return request.request
    return ""


def is_known(settings: Settings, request_id: str, stop: Stop | None = None) -> bool:
    """Whether there is a request with this id, of any work, so that submitting it makes no other.

    Raises:
        BrokerAway: the broker does not answer.
        Stopped: the caller has stopped it.
    """
    with closing(Waits(stop or Stop())) as waits:
        try:
            find(settings, request_id, waits)
        except BadMessage:  # the submission reports it
            return True
        except NoSuchRequest:
            return False
    return True


def find(settings: Settings, request_id: str, waits: Waits | None = None) -> RequestView:
    """A request by its id, open or not.

    Raises:
        NoSuchRequest: there is none.
        BadMessage: it cannot be read.
        BrokerAway: the broker does not answer.
        Stopped: as `waits` say.
    """
    view = None
    if REQUEST_ID.fullmatch(request_id):
        with read(settings, waits) as requests:
            view = requests.get(request_id)
    if view is None:
        raise NoSuchRequest(no_such("request", request_id, (), "hangtag train --list"))
    return view
