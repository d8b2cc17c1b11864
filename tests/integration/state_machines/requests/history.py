"""Histories of requests: any actions of producers, trainers, time and Redis, in any order.

Every step is compared with an oracle. The promises are also checked without it, on what the
ledger returned, so that they do not depend on how the oracle works.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shared.ledger.request_states import RenewalVerdict, RequestState, RequestVerdict
from shared.messages.requests import Outcome, Progress, Request
from shared.messages.training import Train
from tests.integration.state_machines.requests.model import STAGES, place
from tests.integration.state_machines.requests.world import IDS, World
from tests.mutants.promise import agree, promise
from tests.support.servers.redis_server import RedisServer

MAX_ATTEMPTS = 3
OWNERS = ("host:1:1", "host:2:2", "host:3:3")
WORKS = tuple(Train("fashion-mnist", recipe) for recipe in ("fast", "accurate"))
OUTCOMES = (
    Outcome(True, answer=msgspec.Raw(b'{"model":"fashion-mnist@1"}')),
    Outcome(False, error="there are no images in the folder; give another one", usage=True),
)

PLOTS = ("curves.png", "confusion.png")
STEPS = ("claim", "claim", "renew", "release", "finish", "cancel", "lease ends", "lease ends")

ids = st.sampled_from(IDS)
owners = st.sampled_from(OWNERS)
some = st.integers(0, 99)
repeats = st.booleans()  # a client repeats a command whose reply was lost
often = st.sampled_from([True, True, True, False])
files = st.dictionaries(st.sampled_from(PLOTS), st.binary(max_size=3), max_size=2)
progresses = st.builds(Progress, st.sampled_from(STAGES), st.integers(0, 9))


class Held(NamedTuple):
    """A grant. A request that Redis lost and that was submitted again has a new life number."""

    request_id: str
    life: int
    owner: str
    fence: int


class History(RuleBasedStateMachine):
    def __init__(self, server: RedisServer) -> None:
        super().__init__()
        self.world = World(server)
        self.lives = dict.fromkeys(IDS, 0)
        self.store = dict.fromkeys(IDS, 0)  #: the highest fence in the trainers' store
        self.grants: list[Held] = []
        self.released: set[Held] = set()
        #: The furthest progress of a life, and the fence of the attempt that made it.
        self.furthest: dict[tuple[str, int], tuple[tuple[int, int], int]] = {}
        self.ends: dict[tuple[str, int], tuple[str, int]] = {}  #: life -> (how it ended, fence)

    @initialize()
    def start(self) -> None:
        self._submit_again(True)

    # Producers.

    @rule(request_id=ids, n=st.sampled_from([0, 0, 0, 1]), input=st.none() | st.binary(max_size=3))
    def submit(self, request_id: str, n: int, input: bytes | None) -> None:
        requester = f"me@host{len(self.grants)}"  # not part of the identity of the work
        if self.world.submit(Request(request_id, WORKS[n], requester, 1.0), input):
            self.lives[request_id] += 1

    @rule(request_id=ids, repeat=repeats)
    def cancel(self, request_id: str, repeat: bool) -> None:
        for _ in range(1 + repeat):
            if self.world.cancel(request_id):
                self._ended(request_id, "cancelled", 0)

    # Trainers.

    @rule(request_id=ids, owner=owners, knows=st.booleans(), repeat=repeats)
    def claim(self, request_id: str, owner: str, knows: bool, repeat: bool) -> None:
        for _ in range(1 + repeat):
            self._claim(request_id, owner, self.store[request_id] if knows else 0)

    @rule(request_id=ids, owners=st.lists(owners, min_size=1, max_size=MAX_ATTEMPTS + 1))
    def trainers_die_in_turn(self, request_id: str, owners: list[str]) -> None:
        for owner in owners:
            self.world.let_lease_end(request_id)
            self._claim(request_id, owner, self.store[request_id])

    @rule(request_id=ids, epochs=st.lists(st.integers(1, 5), min_size=3, max_size=6))
    def trainers_die_after_epochs(self, request_id: str, epochs: list[int]) -> None:
        """Each resumes the work, and some get further than any before."""
        for epoch in epochs:
            self.world.let_lease_end(request_id)
            before = len(self.grants)
            self._claim(request_id, OWNERS[0], self.store[request_id])
            if len(self.grants) > before:
                self.renew(0, Progress("training", epoch), False)

    @rule(i=some, progress=progresses, repeat=repeats)
    def renew(self, i: int, progress: Progress, repeat: bool) -> None:
        request_id, _, _, fence = self._one(i)
        for _ in range(1 + repeat):
            if self.world.renew(request_id, fence, progress) is RenewalVerdict.OK:
                self._advanced(request_id, fence, progress)

    @rule(i=some, repeat=repeats)
    def release(self, i: int, repeat: bool) -> None:
        held = self._one(i)
        for _ in range(1 + repeat):
            if self.world.release(held.request_id, held.fence):
                self.released.add(held._replace(life=self.lives[held.request_id]))

    @rule(i=some, n=st.sampled_from([0, 0, 1]), files=files, repeat=repeats)
    def finish(self, i: int, n: int, files: dict[str, bytes], repeat: bool) -> None:
        held = self._one(i)
        for _ in range(1 + repeat):
            if self.world.finish(held.request_id, held.fence, OUTCOMES[n], files):
                self._ended(held.request_id, f"done {n} {sorted(files)}", held.fence)

    @rule(request_id=ids, steps=st.lists(st.tuples(st.sampled_from(STEPS), owners), min_size=2))
    def steps_at_one_request(self, request_id: str, steps: list[tuple[str, str]]) -> None:
        """Apply a series to one request, which separate rules rarely do."""
        for step, owner in steps:
            if step == "claim":
                self._claim(request_id, owner, self.store[request_id])
            elif step == "cancel":
                self.cancel(request_id, False)
            elif step == "lease ends":
                self.world.let_lease_end(request_id)
            elif i := self._last_of(request_id):
                self._step(step, i - 1)

    def _step(self, step: str, i: int) -> None:
        """The trainer with the last but `i` of all grants takes a step."""
        if step == "renew":
            self.renew(i, Progress("training", epoch=i), False)
        elif step == "release":
            self.release(i, False)
        else:
            self.finish(i, 0, {PLOTS[0]: b"PNG"}, False)

    # Faults.

    @rule(request_id=ids)
    def lease_ends(self, request_id: str) -> None:
        self.world.let_lease_end(request_id)

    @rule(
        event=st.sampled_from(["ended expire", "ended expire", "ended expire", "flush"]),
        again=often,
    )
    def time_and_redis(self, event: str, again: bool) -> None:
        if event == "ended expire":
            self.world.let_ended_expire()
        else:
            self.world.flush()
        self._submit_again(again)

    @rule(
        request_id=ids,
        event=st.sampled_from(["loses the state", "lists a closed request"]),
        again=often,
    )
    def redis_is_tampered_with(self, request_id: str, event: str, again: bool) -> None:
        if event == "loses the state":
            self.world.lose_state(request_id)
        else:
            self.world.list_again(request_id)
            self.world.check()
        self._submit_again(again)

    @rule(
        request_id=ids,
        field=st.sampled_from(["status", "fence", "owner", "until_ms", "attempts", "reached"]),
        value=st.sampled_from([None, b"rubbish", b"-1", b"1234567890123456"]),
    )
    def another_client_writes(self, request_id: str, field: str, value: bytes | None) -> None:
        # Any text is a valid owner, and before the first progress nothing is reached.
        if (field != "owner" or value is None) and (field != "reached" or value is not None):
            self.world.tamper(request_id, field, value)
        self.world.delete_request_field(request_id)

    def _submit_again(self, all: bool) -> None:
        """Producers submit again the requests that Redis lost."""
        for request_id in IDS if all else ():
            if request_id not in self.world.model.entries:
                self.submit(request_id, 0, [None, b"input"][len(self.grants) % 2])

    # Invariants.

    @invariant()
    def redis_agrees_with_the_oracle(self) -> None:
        self.world.check()

    @invariant()
    def a_request_that_has_ended_stays_ended(self) -> None:
        for request_id in IDS:
            view = self.world.requests.get(request_id)
            end = self.ends.get((request_id, self.lives[request_id]))
            if view is not None and end is not None:
                agree(
                    view.state,
                    RequestState.CANCELLED if end[0] == "cancelled" else RequestState.DONE,
                )

    # The end: after any history, a healthy trainer completes the open requests.

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:  # no failure is being raised
                self._check_holders()
                for request_id in self.world.requests.open():
                    self._complete(request_id)
                self.world.check()
        finally:
            self.world.client.close()

    def _check_holders(self) -> None:
        """At most one of all trainers that were granted a request holds it."""
        for request_id in IDS:
            fences = {held.fence for held in self.grants if held.request_id == request_id}
            held = [fence for fence in fences if self._renewed(request_id, fence)]
            promise(len(held) <= 1)

    def _renewed(self, request_id: str, fence: int) -> bool:
        progress = Progress("training")
        if self.world.renew(request_id, fence, progress) is not RenewalVerdict.OK:
            return False
        self._advanced(request_id, fence, progress)
        return True

    def _complete(self, request_id: str) -> None:
        self.world.let_lease_end(request_id)
        verdict = self._claim(request_id, "host:9:9", self.store[request_id])
        promise(verdict in (RequestVerdict.GRANTED, RequestVerdict.EXHAUSTED))
        promise(self.world.finish(request_id, self.store[request_id], OUTCOMES[0], {}))
        for _, _, _, fence in [held for held in self.grants if held.request_id == request_id][-5:]:
            self.world.finish(request_id, fence, OUTCOMES[1], {})
        view = self.world.requests.get(request_id)
        promise(view is not None)
        assert view is not None
        promise(view.outcome is not None)
        assert view.outcome is not None
        promise(view.outcome.ok)

    # The promises, checked without the oracle.

    def _one(self, i: int) -> Held:
        """One of the latest grants, or a grant that never was, with fence 0."""
        choice = [Held(IDS[i % 2], 0, "", 0), *self.grants]
        return choice[-1 - i % min(len(choice), 6)]

    def _last_of(self, request_id: str) -> int:
        """The number of grants since the latest one of this request, 1 to 6; 0 if there is none."""
        recent = [held.request_id for held in reversed(self.grants[-6:])]
        return 1 + recent.index(request_id) if request_id in recent else 0

    def _claim(self, request_id: str, owner: str, floor: int) -> RequestVerdict:
        grant = self.world.claim(request_id, owner, floor)
        if grant.fence:
            held = Held(request_id, self.lives[request_id], owner, grant.fence)
            self._granted(held, floor, grant.verdict)
        return grant.verdict

    def _granted(self, held: Held, floor: int, verdict: RequestVerdict) -> None:
        grants = [h for h in self.grants if h[:2] == held[:2]]
        promise((held.request_id, held.life) not in self.ends)
        promise(held.fence > floor)
        if held in grants:
            agree(held, grants[-1])
            return
        promise(all(h.fence < held.fence for h in grants))
        self.grants.append(held)
        released = {h.fence for h in self.released if h[:2] == held[:2]}
        _, since = self.furthest.get(held[:2], ((0, 0), 0))
        deaths = sum(h.fence not in released and h.fence >= since for h in grants)
        agree(verdict is RequestVerdict.EXHAUSTED, deaths >= MAX_ATTEMPTS)
        self.store[held.request_id] = max(self.store[held.request_id], held.fence)

    def _advanced(self, request_id: str, fence: int, progress: Progress) -> None:
        """Deaths of attempts before this one no longer count if it is further than they were."""
        life = (request_id, self.lives[request_id])
        if place(progress) > self.furthest.get(life, ((0, 0), 0))[0]:
            self.furthest[life] = (place(progress), fence)

    def _ended(self, request_id: str, how: str, fence: int) -> None:
        """A request ends once: a repeated command reports the same end."""
        life = (request_id, self.lives[request_id])
        agree(self.ends.setdefault(life, (how, fence)), (how, fence))
