"""The batch ledger as plain Python: what Redis must return and store after every step."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from shared.ledger.batch_ledger import LOADING, BatchState, ClaimVerdict

DEADLY_LOADS = 3
#: A heartbeat this much newer than a claim knows whether the child is idle.
IDLE_MS = 5_000
#: Stands for a count of deaths or a heartbeat that another client wrote and that is unreadable.
RUBBISH = -7
#: A claim without an owner, from the beginning of time.
EXPIRED = ("", 0)


@dataclass
class LedgerModel:
    """One job's ledger and the heartbeats. Times are in ms on the server's clock."""

    limit_ms: int
    max_result_bytes: int
    known: bool = False  #: the job's record is complete, so workers accept the job
    state: str | None = None  #: None if there is no record
    payload: set[int] = field(default_factory=set)
    owner: dict[int, tuple[str, int]] = field(default_factory=dict)  #: batch -> owner, since (ms)
    deaths: dict[int, int] = field(default_factory=dict)
    careful: dict[int, int] = field(default_factory=dict)
    #: Batch -> deaths by image; LOADING -> deaths by parent. None: unreadable
    crashed: dict[int, dict[int | str, int] | None] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)
    results: list[tuple[int, bytes]] = field(default_factory=list)  #: the stream
    trouble: set[str] = field(default_factory=set)  #: the reason of the last release
    #: parent -> when (ms), its children, the idle ones of them
    beats: dict[str, tuple[int, frozenset[str], frozenset[str]]] = field(default_factory=dict)

    def copy(self) -> LedgerModel:
        return copy.deepcopy(self)

    def alive(self, batch: int, now_ms: int) -> bool:
        """Whether the batch has a live owner, by its heartbeat."""
        if batch not in self.owner:
            return False
        owner, at_ms = self.owner[batch]
        parent, _, child = owner.rpartition("/")
        if now_ms - at_ms > self.limit_ms or parent not in self.beats:
            return False
        beat_ms, children, idle = self.beats[parent]
        if beat_ms == RUBBISH or beat_ms <= at_ms:
            return True
        return child in children and not (child in idle and beat_ms > at_ms + IDLE_MS)

    def claim(self, batch: int, owner: str, now_ms: int) -> ClaimVerdict:
        """Return the verdict; after RUN, call `claimed`."""
        if not self.known:
            return ClaimVerdict.UNKNOWN
        if self.state == "cancelled":
            return ClaimVerdict.CANCELLED
        if batch in self.done:
            return ClaimVerdict.DONE
        if self.alive(batch, now_ms) and self.owner[batch][0] != owner:
            return ClaimVerdict.HELD
        if batch not in self.payload:
            return ClaimVerdict.LOST
        if self.unfit(parent_of(owner)):
            self.owner[batch] = EXPIRED
            return ClaimVerdict.UNFIT
        return ClaimVerdict.RUN

    def claimed(self, batch: int, owner: str, at_ms: int) -> None:
        self.owner[batch] = (owner, at_ms)
        self.careful.pop(batch, None)

    def complete(self, batch: int, owner: str, result: bytes, now_ms: int) -> bool | None:
        """Return True for the first result of an existing job, None for one that is too large."""
        if self.state is None or batch in self.done:
            return False
        if not self.holds(batch, owner) and (
            self.alive(batch, now_ms) or batch not in self.payload
        ):
            return False
        if self.known and len(result) > self.max_result_bytes:
            return None
        self.results.append((batch, result))
        self.done.add(batch)
        self.payload.discard(batch)
        for part in (self.owner, self.deaths, self.careful, self.crashed):
            part.pop(batch, None)
        self._forgive(owner)
        return True

    def holds(self, batch: int, owner: str) -> bool:
        """Whether this owner has the claim, dead or alive."""
        return batch in self.owner and self.owner[batch][0] == owner

    def release(self, batch: int, owner: str, why: str | None = None) -> bool:
        """Return whether there was a claim to release."""
        if not self.holds(batch, owner):
            return False
        del self.owner[batch]
        if why is not None and self.state is not None:
            self.trouble = {why}
        return True

    def report_death(self, batch: int, owner: str) -> bool:
        """Count a death once, and only against the batch that the dead child held."""
        if self.state is None or not self.release(batch, owner):
            return False
        index = self.careful.pop(batch, None)
        if index == LOADING:
            self._crash(LOADING, parent_of(owner))
            return True
        self.deaths[batch] = max(0, self.deaths.get(batch, 0)) + 1
        if index is not None:
            self._crash(batch, index)
        return True

    def _crash(self, blamed: int, cause: int | str) -> None:
        counts = self.crashed.get(blamed) or {}
        self.crashed[blamed] = counts | {cause: counts.get(cause, 0) + 1}

    def mark_image(self, batch: int, owner: str, index: int) -> bool:
        """A careful child reports the next image; after True, call `renewed`."""
        if self.state is None or not self.holds(batch, owner):
            return False
        self.careful[batch] = index
        return True

    def loaded(self, batch: int, owner: str) -> bool:
        """The model is in memory; after True, call `renewed`."""
        if self.state is None or not self.holds(batch, owner):
            return False
        self.careful.pop(batch, None)
        self._forgive(owner)
        return True

    def _forgive(self, owner: str) -> None:
        """A child has the model in memory: earlier deaths of its parent's children do not count."""
        if counts := self.crashed.get(LOADING):
            counts.pop(parent_of(owner), None)

    def unfit(self, parent: str) -> bool:
        """Whether its children died repeatedly while they loaded the model."""
        return (self.crashed.get(LOADING) or {}).get(parent, 0) >= DEADLY_LOADS

    def renewed(self, batch: int, at_ms: int) -> None:
        self.owner[batch] = (self.owner[batch][0], at_ms)

    def cancel(self) -> bool:
        """Make waiting work a no-op."""
        if self.state is None:
            return False
        self.state = "cancelled"
        self.payload.clear()
        return True

    def survey(
        self, batches: Sequence[int], workers: Collection[str], now_ms: int
    ) -> tuple[str, list[BatchState]]:
        """Return the states of the job and its batches; remove the claims of dead owners."""
        states = [self._state_of(n, now_ms) for n in batches]
        is_over = workers and all(map(self.unfit, workers)) and BatchState.HELD not in states
        deadly = is_over and self.state == "running"
        return "deadly" if deadly else self.state or "unknown", states

    def _state_of(self, n: int, now_ms: int) -> BatchState:
        freed = n in self.owner and not self.alive(n, now_ms)
        if freed:
            del self.owner[n]
        if n in self.done:
            return BatchState.DONE
        if n not in self.payload:
            return BatchState.LOST
        if n in self.owner:
            return BatchState.HELD
        return BatchState.FREED if freed else BatchState.FREE

    def forget_job(self) -> None:
        """Remove every key of the job; heartbeats stay."""
        beats = self.beats
        self.__init__(self.limit_ms, self.max_result_bytes)  # type: ignore[misc]
        self.beats = beats


def parent_of(owner: str) -> str:
    return owner.partition("/")[0]
