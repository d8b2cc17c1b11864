"""What work reports while it runs, to its subscribers: a display, a log, a notebook, or none."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from redis.exceptions import RedisError

#: Between two attempts during an outage.
PAUSE_S = 0.5


class Event(msgspec.Struct, frozen=True):
    """Something that happened. Those of jobs are below, that of a request beside its waiter."""


class Started(Event, frozen=True):
    """The job is pinned to a version, and its files are classified from now on."""

    job: str
    output: str
    done: int = 0  #: rows that earlier runs of the job have


class Found(Event, frozen=True):
    """Files that the job has so far; `total` is the number of all, None until they are counted."""

    images: int
    total: int | None


class Stored(Event, frozen=True):
    """Rows that the journal has, in this run and in earlier ones."""

    done: int
    failed: int


class Waiting(Event, frozen=True):
    """What the first results wait for."""

    text: str


class Notice(Event, frozen=True):
    """A line about something that a person should know."""

    text: str


class Stage(Event, frozen=True):
    """Rows that have passed a stage after the last result, of `total`."""

    name: str
    rows: int
    total: int


class Watching(Event, frozen=True):
    """The table is up to date, and the next change of a file is waited for."""


class RowChanged(Event, frozen=True):
    """A row of a table that was brought up to date."""

    change: str  #: new, changed, gone, or again: it had failed
    path: str
    status: str = ""  #: empty if it is gone
    label: str = ""  #: that the table displays; empty of a row without one
    confidence: float | None = None  #: of the model's label


Subscriber = Callable[[Event], None]


class Events:
    """Passes events to subscribers, one after the other, in the thread of the work. An exception of
    a subscriber ends it; a job can be resumed."""

    def __init__(self) -> None:
        self._subscribers: list[tuple[Subscriber, tuple[type[Event], ...]]] = []
        self._last_notice = ""

    def subscribe(self, subscriber: Subscriber, *kinds: type[Event]) -> None:
        """Pass it the events of these kinds, or all."""
        self._subscribers.append((subscriber, kinds))

    def wants(self, kind: type[Event]) -> bool:
        """Whether a subscriber gets events of this kind: only then they need be found out."""
        return any(not kinds or kind in kinds for _, kinds in self._subscribers)

    def report(self, event: Event) -> None:
        for subscriber, kinds in self._subscribers:
            if not kinds or type(event) in kinds:
                subscriber(event)

    def notice(self, text: str) -> None:
        """Report a notice; the same text twice in a row, or an empty one, is none."""
        if text and text != self._last_notice:
            self.report(Notice(text))
        self._last_notice = text


class Outage:
    """Whether Redis is unreachable, and since when. `notice` displays one line.

    What each loop does in an outage is its own: one that connects ends where no server has ever
    replied, a running job reads on from a full server, a request outlives `hangtag down`.
    """

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._reached = time.time()  #: time of the last response
        self.lasts = False

    def report(self, error: RedisError) -> None:
        """Record a failed command."""
        if not self.lasts:
            self.lasts = True
            since = time.strftime("%H:%M:%S", time.localtime(self._reached))
            self._notice(f"Redis has been unreachable since {since} ({error}); waiting")

    def over(self) -> None:
        """Record a successful command."""
        self._reached = time.time()
        if self.lasts:
            self.lasts = False
            self._notice("Redis is back")
