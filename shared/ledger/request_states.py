"""What the ledger of requests answers: who may work on a request, and how it stands."""

from __future__ import annotations

import enum

import msgspec

from shared.messages.requests import Outcome, Progress, Request


class RequestVerdict(enum.StrEnum):
    """What CLAIM answers. Only GRANTED hands out work."""

    GRANTED = "granted"
    HELD = "held"  #: another's lease is live
    DONE = "done"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    EXHAUSTED = "exhausted"  #: too many trainers died at it; it is done, with an error


class RenewalVerdict(enum.StrEnum):
    """What RENEW answers. After anything but OK the work must stop."""

    OK = "ok"
    LOST = "lost"  #: another has it, it has ended, or Redis has forgotten it
    CANCELLED = "cancelled"


class RequestState(enum.StrEnum):
    """Where a request is."""

    WAITING = "waiting"  #: nobody has it, or its trainer has not renewed in time
    RUNNING = "running"
    DONE = "done"  #: it has an outcome, good or bad
    CANCELLED = "cancelled"


class Grant(msgspec.Struct, frozen=True):
    """The answer to a claim. What follows the verdict is filled for GRANTED only."""

    verdict: RequestVerdict
    fence: int = 0
    request: Request | None = None
    input: bytes | None = None  #: what travelled beside the request
    attempts: int = 0  #: this one included; those that were given back do not count


class RequestView(msgspec.Struct, frozen=True):
    """A request at one moment."""

    request: Request
    state: RequestState
    owner: str  #: empty unless RUNNING
    attempts: int
    progress: Progress | None  #: as of the last renewal, also while it waits again
    outcome: Outcome | None  #: of DONE
