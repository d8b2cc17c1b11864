"""What a handler of requests gets: the request, its place to work, and a way to say how far it is.

A handler is a function `(context, work) -> Answered`. It may be run again from the start, in
another process: what it makes visible it makes visible once, by the request's id.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
import redis

from shared.messages.requests import Progress, Request
from shared.registry.registry import Registry
from shared.settings import Settings


class RequestStopped(Exception):
    """The work must end here: cancelled, somebody else's, or the trainer ends. Let it pass."""


class Reply(NamedTuple):
    """What a request is answered with, and pictures beside it."""

    answer: msgspec.Struct
    files: dict[str, bytes] = {}


class RequestLease(Protocol):
    """Knows whether the request is still ours: worker/requests/lease.py."""

    def report(self, progress: Progress) -> None:
        """Raises RequestStopped."""

    def confirm(self) -> None:
        """Raises RequestStopped unless this attempt holds the request at this moment."""


class Context(msgspec.Struct, frozen=True):
    """Of one attempt at one request."""

    request: Request
    registry: Registry
    client: redis.Redis
    settings: Settings
    folder: Path  #: in the store; what is written here is there for the next attempt, too
    input: bytes | None  #: what travelled beside the request
    started: float  #: when it was first worked on, seconds since 1970
    lease: RequestLease

    @property
    def who(self) -> str:
        """Who asks, for the history of aliases."""
        return self.request.who

    def stage(self, name: str) -> None:
        """A new stage begins. Raises Stopped."""
        self.lease.report(Progress(name))

    def report(self, progress: Progress) -> None:
        """Cheap: it is sent about once a second. Raises Stopped."""
        self.lease.report(progress)

    def confirm(self) -> None:
        """Call it right before something becomes visible. Raises Stopped if it must not."""
        self.lease.confirm()
