"""The unfinished requests of a broker, or of this machine's store."""

from __future__ import annotations

import time

import msgspec

from producer.present.formatting import ago, duration, one_line
from producer.present.style import Column, doubtful, fitted, good
from producer.requests.client import Requests, read
from producer.requests.request_meter import describe, no_news, title
from shared.broker.runtime_paths import is_in_charge, socket_path
from shared.errors import BadMessage, bounded
from shared.ledger.request_store import RequestState, RequestView
from shared.messages.requests import Progress, Work
from shared.settings import Settings

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
