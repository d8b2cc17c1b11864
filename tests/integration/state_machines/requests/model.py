"""The ledger of requests as plain Python: what Redis must return and store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from shared.ledger.request_states import RenewalVerdict, RequestState, RequestVerdict
from shared.messages.requests import Outcome, Progress, Request

MAX_ATTEMPTS = 3
#: Of the histories, in order.
STAGES = ("loading", "training")


@dataclass
class Entry:
    request: Request
    input: bytes | None
    status: str = "open"  #: open, done, cancelled
    fence: int = 0
    owner: str = ""
    live: bool = False  #: the owner's lease has not expired
    attempts: int = 0
    furthest: tuple[int, int] = (0, 0)  #: stage and epoch, of all attempts
    progress: Progress | None = None
    outcome: Outcome | None = None
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def state(self) -> RequestState:
        """The state that `hangtag status` displays."""
        if self.status == "open":
            return RequestState.RUNNING if self.live else RequestState.WAITING
        return RequestState.CANCELLED if self.status == "cancelled" else RequestState.DONE

    def holds(self, fence: int) -> bool:
        """Whether this fence is the latest and was not released."""
        return self.owner != "" and self.fence == fence

    def close(self, status: str) -> None:
        """End the request and drop what only the work needed."""
        self.status, self.progress, self.input = status, None, None


@dataclass
class RequestsModel:
    """All requests, in the order of submission."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def open(self) -> list[str]:
        return [i for i, entry in self.entries.items() if entry.status == "open"]

    def waiting(self) -> list[str]:
        return [i for i in self.open() if not self.entries[i].live]

    def submit(self, request: Request, input: bytes | None) -> bool | None:
        """Return None if the id belongs to other work."""
        known = self.entries.get(request.id)
        if known is None:
            self.entries[request.id] = Entry(request, input)
            return True
        return False if known.request.work == request.work else None

    def claim(self, request_id: str, owner: str, floor: int) -> RequestVerdict:
        entry = self.entries.get(request_id)
        if entry is None:
            return RequestVerdict.UNKNOWN
        if entry.status != "open":
            return RequestVerdict(entry.status)
        if entry.live and entry.owner != owner:
            return RequestVerdict.HELD
        if not (entry.live and entry.fence > floor):
            entry.fence = max(entry.fence, floor) + 1
            entry.attempts += 1
        entry.owner, entry.live = owner, True
        exhausted = entry.attempts > MAX_ATTEMPTS
        return RequestVerdict.EXHAUSTED if exhausted else RequestVerdict.GRANTED

    def renew(self, request_id: str, fence: int, progress: Progress) -> RenewalVerdict:
        entry = self.entries.get(request_id)
        if entry is None or not entry.holds(fence):
            return RenewalVerdict.LOST
        if entry.status != "open":
            return RenewalVerdict.CANCELLED if entry.status == "cancelled" else RenewalVerdict.LOST
        entry.live, entry.progress = True, progress
        if entry.furthest < place(progress):
            entry.furthest, entry.attempts = place(progress), 1
        return RenewalVerdict.OK

    def release(self, request_id: str, fence: int) -> bool:
        entry = self.entries.get(request_id)
        if entry is None or entry.status != "open" or not 0 < entry.fence == fence:
            return False
        if entry.owner:
            entry.owner, entry.live = "", False
            entry.attempts -= 1
        return True

    def finish(
        self, request_id: str, fence: int, outcome: Outcome, files: Mapping[str, bytes]
    ) -> bool:
        entry = self.entries.get(request_id)
        if entry is None or not entry.holds(fence):
            return False
        expected = msgspec.structs.replace(outcome, files=tuple(files))
        if entry.status != "open":
            return entry.status == "done" and same(entry.outcome, expected)
        entry.outcome, entry.files = expected, dict(files)
        entry.close("done")
        return True

    def cancel(self, request_id: str) -> bool:
        entry = self.entries.get(request_id)
        if entry is None or entry.status not in ("open", "cancelled"):
            return False
        entry.close("cancelled")
        return True


def place(progress: Progress) -> tuple[int, int]:
    """How far the work is: a later stage is further, and a later epoch in one stage."""
    return 1 + STAGES.index(progress.stage), progress.epoch


def same(one: Outcome | None, other: Outcome | None) -> bool:
    """Compare encoded: two msgspec.Raw with the same bytes are not equal."""
    return msgspec.json.encode(one) == msgspec.json.encode(other)
