"""Results of the ledger of requests: verdicts on claims and renewals, and states of requests."""

from __future__ import annotations

import enum

import msgspec

from shared.messages.requests import Outcome, Progress, Request


class RequestVerdict(enum.StrEnum):
    """The verdict on a claim. GRANTED and EXHAUSTED grant the request."""

    GRANTED = "granted"
    HELD = "held"  #: another owner's lease is live
    DONE = "done"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    EXHAUSTED = "exhausted"  #: too many trainers died at it: its owner reports that it has failed


class RenewalVerdict(enum.StrEnum):
    """The verdict on a renewal. Without OK the work must stop."""

    OK = "ok"
    LOST = "lost"  #: another owner has it, it has ended, or Redis has lost it
    CANCELLED = "cancelled"


class RequestState(enum.StrEnum):
    WAITING = "waiting"  #: it is not claimed, or its trainer has not renewed in time
    RUNNING = "running"
    DONE = "done"  #: it has an outcome, success or failure
    CANCELLED = "cancelled"


class Grant(msgspec.Struct, frozen=True):
    """The result of a claim. The fields after the verdict are set if it grants the request."""

    verdict: RequestVerdict
    fence: int = 0
    request: Request | None = None
    input: bytes | None = None  #: the bytes submitted with the request
    attempts: int = 0  #: since the work got further, with this one, without released ones


class RequestView(msgspec.Struct, frozen=True):
    """A snapshot of a request."""

    request: Request
    state: RequestState
    owner: str  #: empty unless RUNNING
    attempts: int
    progress: Progress | None  #: as of the last renewal, also if it is waiting again
    outcome: Outcome | None  #: of DONE
    silent_s: float = 0.0  #: since the last renewal, of RUNNING
