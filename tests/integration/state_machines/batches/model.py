"""The ledger once more, as plain Python: what Redis must answer and hold after every step."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.ledger.batches import LOADING, BatchState, ClaimVerdict

DEADLY_LOADS = 3
#: A count of deaths, or a heartbeat, that another program wrote and that cannot be read.
RUBBISH = -7


@dataclass
class LedgerModel:
    """One job's ledger and the heartbeats. Times are the server's, in milliseconds."""

    limit_ms: int
    max_result_bytes: int
    known: bool = False  #: workers find the job's record
    state: str | None = None  #: None while there is no record at all
    payload: set[int] = field(default_factory=set)
    owner: dict[int, tuple[str, int]] = field(default_factory=dict)  #: batch -> who, since when
    deaths: dict[int, int] = field(default_factory=dict)
    careful: dict[int, int] = field(default_factory=dict)
    crashed: dict[int, dict[int, int] | None] = field(default_factory=dict)  #: None: rubbish
    done: set[int] = field(default_factory=set)
    results: list[tuple[int, bytes]] = field(default_factory=list)  #: the stream
    trouble: set[str] = field(default_factory=set)  #: why a batch was given back last
    beats: dict[str, tuple[int, frozenset[str]]] = field(default_factory=dict)

    def copy(self) -> LedgerModel:
        """This moment, to come back to."""
        return copy.deepcopy(self)

    def alive(self, batch: int, now_ms: int) -> bool:
        """Whether the batch has an owner that shows signs of life."""
        if batch not in self.owner:
            return False
        who, at_ms = self.owner[batch]
        parent, _, child = who.rpartition("/")
        if now_ms - at_ms > self.limit_ms or parent not in self.beats:
            return False
        beat_ms, children = self.beats[parent]
        return beat_ms == RUBBISH or child in children or beat_ms <= at_ms

    def claim(self, batch: int, who: str, now_ms: int) -> ClaimVerdict:
        """The verdict; if it is RUN, `claimed` must follow."""
        if not self.known:
            return ClaimVerdict.UNKNOWN
        if self.state == "cancelled":
            return ClaimVerdict.CANCELLED
        if batch in self.done:
            return ClaimVerdict.DONE
        if self.deadly:
            return ClaimVerdict.DEADLY
        if self.alive(batch, now_ms) and self.owner[batch][0] != who:
            return ClaimVerdict.HELD
        return ClaimVerdict.RUN if batch in self.payload else ClaimVerdict.LOST

    def claimed(self, batch: int, who: str, at_ms: int) -> None:
        """The batch is handed over."""
        self.owner[batch] = (who, at_ms)
        self.careful.pop(batch, None)

    def complete(self, batch: int, who: str, result: bytes, now_ms: int) -> bool | None:
        """True for the first result of a job that exists; None for one that is too large."""
        if self.state is None or batch in self.done:
            return False
        if not self.holds(batch, who) and (self.alive(batch, now_ms) or batch not in self.payload):
            return False
        if self.known and len(result) > self.max_result_bytes:
            return None
        self.results.append((batch, result))
        self.done.add(batch)
        self.payload.discard(batch)
        for part in (self.owner, self.deaths, self.careful, self.crashed):
            part.pop(batch, None)
        return True

    def holds(self, batch: int, who: str) -> bool:
        """Whether the batch is this owner's, dead or alive."""
        return batch in self.owner and self.owner[batch][0] == who

    def release(self, batch: int, who: str, why: str | None = None) -> bool:
        """True if there was a claim to give back."""
        if not self.holds(batch, who):
            return False
        del self.owner[batch]
        if why is not None and self.state is not None:
            self.trouble = {why}
        return True

    def bury(self, batch: int, who: str) -> bool:
        """A death counts once, and only against the batch that the dead child held."""
        if self.state is None or not self.release(batch, who):
            return False
        index = self.careful.pop(batch, None)
        blamed = LOADING if index == LOADING else batch
        self.deaths[blamed] = max(0, self.deaths.get(blamed, 0)) + 1
        if index is not None and index != LOADING:
            counts = self.crashed.get(batch) or {}
            self.crashed[batch] = counts | {index: counts.get(index, 0) + 1}
        return True

    def take_in_hand(self, batch: int, who: str, index: int) -> bool:
        """A careful child says which image comes next; if it is True, `renewed` must follow."""
        if self.state is None or not self.holds(batch, who):
            return False
        self.careful[batch] = index
        return True

    def loaded(self, batch: int, who: str) -> bool:
        """The model is in memory; if it is True, `renewed` must follow."""
        if self.state is None or not self.holds(batch, who):
            return False
        self.careful.pop(batch, None)
        self.deaths.pop(LOADING, None)
        return True

    @property
    def deadly(self) -> bool:
        """Whether the model has ended one child after the other."""
        return self.deaths.get(LOADING, 0) >= DEADLY_LOADS

    def renewed(self, batch: int, at_ms: int) -> None:
        """The claim is as good as new."""
        self.owner[batch] = (self.owner[batch][0], at_ms)

    def cancel(self) -> bool:
        """Waiting work becomes a no-op."""
        if self.state is None:
            return False
        self.state = "cancelled"
        self.payload.clear()
        return True

    def survey(self, batches: Sequence[int], now_ms: int) -> tuple[str, list[BatchState]]:
        """How the producer sees its batches; dead owners lose their claims."""
        deadly = self.deadly and self.state == "running"
        state = "deadly" if deadly else self.state or "unknown"
        return state, [self._look(n, now_ms) for n in batches]

    def _look(self, n: int, now_ms: int) -> BatchState:
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
        """Every key of the job is gone; the heartbeats stay."""
        beats = self.beats
        self.__init__(self.limit_ms, self.max_result_bytes)  # type: ignore[misc]
        self.beats = beats
