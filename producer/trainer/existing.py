"""Requests that exist: the open ones as a list, and one by its id, followed or cancelled."""

from __future__ import annotations

import time
from contextlib import closing, suppress
from typing import NamedTuple

import msgspec

from producer.machine import stack
from producer.present.events import Events
from producer.present.formatting import ago, counted, duration, one_line
from producer.present.style import Column, doubtful, fitted, good
from producer.trainer.client import Requests, opened, read, user_name
from producer.trainer.request_display import describe, no_news, title
from producer.trainer.submit import RequestWaiter, check_outcome
from shared.broker.runtime_paths import is_in_charge, socket_path
from shared.errors import BadMessage, BrokerAway, RequestCancelled, UsageError, bounded, no_such
from shared.ledger.request_store import (
    OLD_FOLDER,
    RequestState,
    RequestView,
    unfinished_of_0_2_0,
)
from shared.messages.requests import REQUEST_ID, Outcome, Progress, Request, Work
from shared.settings import Settings
from shared.stop import Stop, Waits

#: The state of a request that has an outcome, and no answer.
FAILED = "failed"
#: It waits, and this machine's stack is down.
PAUSED = "paused"
#: Another version of Hangtag submitted it, or its file is damaged.
UNREADABLE = "unreadable"
_COLUMNS = (
    Column("request", least=8),
    Column("state", style=lambda text: good(text) if text == "running" else doubtful(text)),
    Column("work", least=32),
    Column("where", least=8),
    Column("left"),
    Column("submitted", drop=1),
    Column("by", least=6, drop=2),
)


class OpenRequest(msgspec.Struct, frozen=True):
    """The state of one request."""

    request: str
    state: str  #: waiting, running, paused, or unreadable
    work: Work | None  #: None if unreadable
    who: str
    created: float  #: seconds since 1970
    progress: Progress | None = None
    silent_s: float = 0.0  #: since its trainer has reported anything

    @property
    def title(self) -> str:
        """The work in a few words."""
        return "of another version of Hangtag" if self.work is None else describe(self.work)


def open_requests(settings: Settings) -> list[OpenRequest]:
    """Every unfinished request, oldest first.

    Raises:
        BrokerAway: the configured broker does not answer.
    """
    with read(settings) as requests:
        found = [_found(settings, requests, request_id) for request_id in requests.ids()]
    listed = [request for request in found if request is not None]
    return sorted(listed, key=lambda request: (request.created, request.request))


def left_by_0_2_0(settings: Settings) -> str:
    """What becomes of the requests of version 0.2.0 that had not ended; empty without any."""
    number = len(unfinished_of_0_2_0(settings.store_path))
    if not number:
        return ""
    return (
        f"{counted(number, 'request')} of version 0.2.0 had not ended; submit again what you "
        f"still need, and delete {settings.store_path / OLD_FOLDER}"
    )


def table(requests: list[OpenRequest]) -> list[str]:
    """The heading and one line for each, in columns."""
    return fitted(_COLUMNS, [_row(request, time.time()) for request in reversed(requests)])


def _found(settings: Settings, requests: Requests, request_id: str) -> OpenRequest | None:
    """An open request; None if it has ended."""
    try:
        view = requests.get(request_id)
    except BadMessage:
        return OpenRequest(request_id, UNREADABLE, None, "-", 0.0)
    if view is None or not view.is_open:
        return None
    of, state = view.request, state_of(settings, view)
    silent_s = view.silent_s if state == RequestState.RUNNING else 0.0
    return OpenRequest(of.id, state, of.work, of.who, of.created, view.progress, silent_s)


def state_of(settings: Settings, view: RequestView) -> str:
    """The state of an open request."""
    is_up = bool(settings.redis_url) or socket_path(settings).exists()
    if view.state is RequestState.WAITING and not is_up:
        return PAUSED if is_in_charge(settings, view.request.stack) else view.state
    return view.state


def _row(request: OpenRequest, now_s: float) -> tuple[str, ...]:
    now = request.progress
    where = left = "-"
    if now is not None:
        silent = no_news(request.silent_s)
        where = f"{title(now)}, {silent}" if silent else title(now)
        left = "-" if now.left_s is None or silent else duration(now.left_s)
    since = ago(request.created, now_s)
    cells = (request.request, request.state, request.title, where, left, since, request.who)
    return tuple(bounded(one_line(cell)) for cell in cells)


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
        if request_id in unfinished_of_0_2_0(settings.store_path):
            raise NoSuchRequest(f"request {request_id} is of version 0.2.0; submit it again")
        raise NoSuchRequest(no_such("request", request_id, (), "hangtag train --list"))
    return view
