"""The unfinished requests: those in Redis, and those that are only in the store."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
from redis.exceptions import RedisError

from producer.present.formatting import ago, duration, one_line
from producer.present.style import doubtful, good
from producer.present.text_table import Column, fitted
from producer.requests.request_meter import describe, no_news, title
from shared.broker.redis_client import connect_briefly
from shared.broker.runtime_paths import broker_url, socket_path
from shared.errors import BadMessage, BrokerAway, bounded
from shared.ledger import request_store
from shared.ledger.request_ledger import RequestLedger
from shared.ledger.request_states import RequestState
from shared.messages.requests import Progress, Request, Work
from shared.settings import Settings

#: The request is only in the store: its stack has stopped.
PAUSED = "paused"
#: A broker has it.
ELSEWHERE = "elsewhere"
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
    state: str  #: waiting, running, paused, elsewhere, or unreadable
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
    by_id = {request.request: request for request in _stored(settings)}
    try:
        for request_id, seen in _in_redis(settings, list(by_id)):
            if seen is None:
                by_id.pop(request_id, None)
            else:
                by_id[request_id] = seen
    except RedisError as error:
        if settings.redis_url:
            raise BrokerAway(f"Redis does not answer ({error}); start it") from error
    return sorted(by_id.values(), key=lambda request: (request.created, request.request))


def table(requests: list[OpenRequest]) -> list[str]:
    """The heading and one line for each, in columns."""
    return fitted(_COLUMNS, [_row(request, time.time()) for request in reversed(requests)])


def _stored(settings: Settings) -> Iterator[OpenRequest]:
    """Those in the store; `open_requests` replaces the states of those that are in Redis, too."""
    if settings.redis_url:
        return
    store = settings.store_path
    for request in request_store.unanswered(store):
        yield _open(request, PAUSED if request_store.is_here(store, request.id) else ELSEWHERE)
    for request_id in request_store.unreadable(store):
        yield _unreadable(request_id)


def _in_redis(settings: Settings, stored: list[str]) -> Iterator[tuple[str, OpenRequest | None]]:
    """The state in Redis of its open requests and of the stored ones. None for a finished request
    that its trainer has not deleted from the store yet."""
    if not settings.redis_url and not socket_path(settings).exists():
        return
    with connect_briefly(broker_url(settings), "status") as client:
        requests = RequestLedger(client, settings.lease_s)
        for request_id in dict.fromkeys([*requests.open(), *stored]):
            try:
                view = requests.get(request_id)
            except BadMessage:
                if request_id not in stored:
                    yield request_id, _unreadable(request_id)
                continue
            if view is not None and view.state in (RequestState.WAITING, RequestState.RUNNING):
                yield request_id, _open(view.request, str(view.state), view.progress, view.silent_s)
            elif view is not None:
                yield request_id, None


def _open(
    request: Request, state: str, progress: Progress | None = None, silent_s: float = 0.0
) -> OpenRequest:
    return OpenRequest(
        request.id, state, request.work, request.who, request.created, progress, silent_s
    )


def _unreadable(request_id: str) -> OpenRequest:
    return OpenRequest(request_id, UNREADABLE, None, "-", 0.0)


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
