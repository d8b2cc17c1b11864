"""The states of a request, and what commands see of it."""

from __future__ import annotations

import enum

import msgspec

from shared.messages.requests import Outcome, Progress, Request


class RequestState(enum.StrEnum):
    WAITING = "waiting"  #: no trainer works on it
    RUNNING = "running"
    DONE = "done"  #: it has an outcome, success or failure
    CANCELLED = "cancelled"


class RequestView(msgspec.Struct, frozen=True):
    """A snapshot of a request."""

    request: Request
    state: RequestState
    outcome: Outcome | None = None  #: of DONE
    progress: Progress | None = None  #: as of the last report
    owner: str = ""  #: the process that has reported it
    silent_s: float = 0.0  #: since that report
    is_stored: bool = True  #: whether the store says so, and not Redis alone

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.state in (RequestState.WAITING, RequestState.RUNNING)
