"""Histories of one request of a store, compared with an oracle: it has one work, one process that
works on it, and one end, in any order of commands, trainers and deaths."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from shared.errors import UsageError
from shared.ledger.request_store import RequestFolder, RequestState, open_requests
from shared.messages.requests import Outcome, Progress, Promote, Request, Rollback, Work
from tests.support.failpoints.hypothesis_profiles import WHOLE
from worker.requests.workspace import Workspace

MAX_ATTEMPTS = 3
WORKS: tuple[Work, ...] = (Promote("shoes@2"), Rollback("shoes"))


class History(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self._place = tempfile.TemporaryDirectory()
        self.store = Path(self._place.name)
        self.holder = ExitStack()  #: the process that works on it
        self.holds = False
        self.request: Request | None = None
        self.end: RequestState | None = None
        self.outcome: Outcome | None = None
        self.attempts, self.furthest = 0, 0

    def teardown(self) -> None:
        self.holder.close()
        self._place.cleanup()

    def folder(self) -> Workspace:
        """As another process opens it."""
        return Workspace(self.store, "r1")

    @property
    def is_open(self) -> bool:
        return self.request is not None and self.end is None

    @rule(work=st.sampled_from(WORKS), created=st.floats(0, 9), input=st.binary(max_size=2))
    def submit(self, work: Work, created: float, input: bytes) -> None:
        request = Request("r1", work, "ann", created)
        try:
            is_new = self.folder().submit(request, input)
        except UsageError:
            assert self.request is not None
            assert self.request.work != work
            return
        assert is_new == (self.request is None)
        if is_new:
            self.request = request
            assert self.folder().input() == input
        assert self.request is not None
        assert self.request.work == work
        self.check()

    @rule()
    def cancel(self) -> None:
        is_cancelled = RequestFolder(self.store, "r1").cancel()
        if self.is_open:
            self.end = RequestState.CANCELLED
        assert is_cancelled == (self.end is RequestState.CANCELLED)
        self.check()

    @precondition(lambda self: self.request is not None)
    @rule()
    def take(self) -> None:
        with ExitStack() as held:
            is_mine = held.enter_context(self.folder().locked(0))
            assert is_mine == (not self.holds)
            if is_mine and self.folder().is_open:
                assert self.folder().enter() == (self.attempts < MAX_ATTEMPTS)
                if self.attempts < MAX_ATTEMPTS:
                    self.attempts += 1
                    self.holder, self.holds = held.pop_all(), True
        self.check()

    @precondition(lambda self: self.holds)
    @rule(epoch=st.integers(1, 9))
    def progress(self, epoch: int) -> None:
        self.folder().note(Progress("training", epoch=epoch))
        if epoch > self.furthest:
            self.furthest, self.attempts = epoch, 1
        assert not self.is_open or self.folder().attempts == self.attempts

    @precondition(lambda self: self.holds)
    @rule(leaves=st.booleans())
    def stop(self, leaves: bool) -> None:
        """Its trainer dies, or leaves the work since it shuts down."""
        if leaves:
            self.folder().leave()
            self.attempts -= 1
        self.holder.close()
        self.holds = False
        self.check()

    @precondition(lambda self: self.holds)
    @rule(dies=st.booleans(), ok=st.booleans())
    def finish(self, dies: bool, ok: bool) -> None:
        """Its trainer writes the outcome, of an earlier one if there is any, and may die."""
        outcome = self.folder().written_outcome() if self.is_open else None
        if outcome is None:
            outcome = Outcome(ok=ok)
            self.folder().finish(outcome, {"grid.png": b"pixels"})
            outcome = msgspec.structs.replace(outcome, files=("grid.png",))
        if not dies:
            if self.is_open:
                self.end, self.outcome = RequestState.DONE, outcome
            assert self.folder().answer() == (self.end is RequestState.DONE)
        self.holder.close()
        self.holds = False
        self.check()

    def check(self) -> None:
        """The store says what the oracle does."""
        folder, open_state = self.folder(), RequestState.WAITING
        if self.holds:
            open_state = RequestState.RUNNING
        expected = self.end or (open_state if self.request else None)
        assert folder.state == expected
        assert folder.request() == self.request
        assert folder.outcome() == self.outcome
        assert open_requests(self.store) == ([self.request] if self.is_open else [])


TestHistories = History.TestCase
TestHistories.settings = WHOLE
