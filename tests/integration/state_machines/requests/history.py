"""Histories of requests: whatever producers, trainers, time and Redis may do, in any order.

Every step is compared with an oracle. Beside it, the promises are held without one: they are
said once more of what was answered, in words that do not depend on how the oracle works.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shared.ledger.request_states import RenewalVerdict, RequestState, RequestVerdict
from shared.ledger.requests import MAX_ATTEMPTS
from shared.messages.requests import Outcome, Progress, Request, Train
from tests.integration.state_machines.requests.world import IDS, World
from tests.mutants.promise import agree, promise
from tests.support.servers.redis_server import RedisServer

OWNERS = ("host:1:1", "host:2:2", "host:3:3")
WORKS = tuple(Train("fashion-mnist", "fast", seed=seed) for seed in (1, 2))
OUTCOMES = (
    Outcome(True, answer=msgspec.Raw(b'{"model":"fashion-mnist@1"}')),
    Outcome(False, error="there are no images in the folder; give another one", usage=True),
)

PICTURES = ("curves.png", "confusion.png")
STEPS = ("claim", "claim", "renew", "release", "finish", "cancel", "fall silent", "fall silent")

ids = st.sampled_from(IDS)
owners = st.sampled_from(OWNERS)
some = st.integers(0, 99)
repeats = st.booleans()  # a client repeats a command whose answer it did not get
often = st.sampled_from([True, True, True, False])
files = st.dictionaries(st.sampled_from(PICTURES), st.binary(max_size=3), max_size=2)
progresses = st.builds(Progress, st.sampled_from(["loading", "training"]), st.integers(0, 9))


class Held(NamedTuple):
    """A grant. A request that Redis forgot and that was handed in again lives another life."""

    request_id: str
    life: int
    owner: str
    fence: int


class History(RuleBasedStateMachine):
    """Two ids, three trainers."""

    def __init__(self, server: RedisServer) -> None:
        super().__init__()
        self.world = World(server)
        self.lives = dict.fromkeys(IDS, 0)
        self.store = dict.fromkeys(IDS, 0)  #: the highest fence that the trainers' store has seen
        self.grants: list[Held] = []
        self.given_back: set[Held] = set()
        self.ends: dict[tuple[str, int], tuple[str, int]] = {}  #: life -> how, by which fence

    @initialize()
    def begin(self) -> None:
        self._ask_again(True)

    # What producers do.

    @rule(request_id=ids, n=st.sampled_from([0, 0, 0, 1]), input=st.none() | st.binary(max_size=3))
    def submit(self, request_id: str, n: int, input: bytes | None) -> None:
        who = f"me@host{len(self.grants)}"  # another asker is no other work
        if self.world.submit(Request(request_id, WORKS[n], who, 1.0), input):
            self.lives[request_id] += 1

    @rule(request_id=ids, repeat=repeats)
    def cancel(self, request_id: str, repeat: bool) -> None:
        for _ in range(1 + repeat):
            if self.world.cancel(request_id):
                self._ended(request_id, "cancelled", 0)

    # What trainers do.

    @rule(request_id=ids, owner=owners, knows=st.booleans(), repeat=repeats)
    def claim(self, request_id: str, owner: str, knows: bool, repeat: bool) -> None:
        for _ in range(1 + repeat):
            self._claim(request_id, owner, self.store[request_id] if knows else 0)

    @rule(request_id=ids, owners=st.lists(owners, min_size=1, max_size=MAX_ATTEMPTS + 1))
    def one_dies_after_the_other(self, request_id: str, owners: list[str]) -> None:
        for owner in owners:
            self.world.let_lease_end(request_id)
            self._claim(request_id, owner, self.store[request_id])

    @rule(i=some, progress=progresses, repeat=repeats)
    def renew(self, i: int, progress: Progress, repeat: bool) -> None:
        request_id, _, _, fence = self._one(i)
        for _ in range(1 + repeat):
            self.world.renew(request_id, fence, progress)

    @rule(i=some, repeat=repeats)
    def release(self, i: int, repeat: bool) -> None:
        held = self._one(i)
        for _ in range(1 + repeat):
            if self.world.release(held.request_id, held.fence):
                self.given_back.add(held._replace(life=self.lives[held.request_id]))

    @rule(i=some, n=st.sampled_from([0, 0, 1]), files=files, repeat=repeats)
    def finish(self, i: int, n: int, files: dict[str, bytes], repeat: bool) -> None:
        held = self._one(i)
        for _ in range(1 + repeat):
            if self.world.finish(held.request_id, held.fence, OUTCOMES[n], files):
                self._ended(held.request_id, f"done {n} {sorted(files)}", held.fence)

    @rule(request_id=ids, steps=st.lists(st.tuples(st.sampled_from(STEPS), owners), min_size=2))
    def one_thing_after_the_other(self, request_id: str, steps: list[tuple[str, str]]) -> None:
        """Rules on their own seldom meet at the same request."""
        for step, owner in steps:
            if step == "claim":
                self._claim(request_id, owner, self.store[request_id])
            elif step == "cancel":
                self.cancel(request_id, False)
            elif step == "fall silent":
                self.world.let_lease_end(request_id)
            elif i := self._last_of(request_id):
                self._step(step, i - 1)

    def _step(self, step: str, i: int) -> None:
        """A trainer goes on with the last but `i` of all grants."""
        if step == "renew":
            self.renew(i, Progress("training", epoch=i), False)
        elif step == "release":
            self.release(i, False)
        else:
            self.finish(i, 0, {PICTURES[0]: b"PNG"}, False)

    # What befalls them.

    @rule(request_id=ids)
    def trainer_falls_silent(self, request_id: str) -> None:
        self.world.let_lease_end(request_id)

    @rule(what=st.sampled_from(["passes", "passes", "passes", "empties"]), again=often)
    def time_and_redis(self, what: str, again: bool) -> None:
        if what == "passes":
            self.world.let_ended_expire()
        else:
            self.world.flush()
        self._ask_again(again)

    @rule(
        request_id=ids,
        what=st.sampled_from(["loses one key", "lists what is not open"]),
        again=often,
    )
    def redis_is_tampered_with(self, request_id: str, what: str, again: bool) -> None:
        if what == "loses one key":
            self.world.lose_state(request_id)
        else:
            self.world.list_again(request_id)
            self.world.check()
        self._ask_again(again)

    @rule(
        request_id=ids,
        field=st.sampled_from(["status", "fence", "owner", "until_ms", "attempts"]),
        value=st.sampled_from([None, b"rubbish", b"-1", b"1234567890123456"]),
    )
    def another_program_writes(self, request_id: str, field: str, value: bytes | None) -> None:
        if field != "owner" or value is None:  # an owner is any text
            self.world.tamper(request_id, field, value)
        self.world.take_request(request_id)

    def _ask_again(self, all: bool) -> None:
        """Whoever asked does so again, where Redis does not know it any more."""
        for request_id in IDS if all else ():
            if request_id not in self.world.model.entries:
                self.submit(request_id, 0, [None, b"input"][len(self.grants) % 2])

    # What holds at every moment.

    @invariant()
    def redis_holds_what_the_oracle_says(self) -> None:
        self.world.check()

    @invariant()
    def a_request_that_has_ended_stays_so(self) -> None:
        for request_id in IDS:
            view = self.world.requests.get(request_id)
            end = self.ends.get((request_id, self.lives[request_id]))
            if view is not None and end is not None:
                agree(
                    view.state,
                    RequestState.CANCELLED if end[0] == "cancelled" else RequestState.DONE,
                )

    # The end: whatever happened, a healthy trainer answers what is open.

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:  # not on the way out of a failure
                self._check_holders()
                for request_id in self.world.requests.open():
                    self._come_home(request_id)
                self.world.check()
        finally:
            self.world.client.close()

    def _check_holders(self) -> None:
        """Of all trainers that ever had a request, at most one has it now."""
        for request_id in IDS:
            fences = {held.fence for held in self.grants if held.request_id == request_id}
            answers = [
                self.world.requests.renew(request_id, fence, Progress("training"))
                for fence in fences
            ]
            promise(answers.count(RenewalVerdict.OK) <= 1)
            if RenewalVerdict.OK in answers:
                entry = self.world.model.entries[request_id]
                entry.live, entry.progress = True, Progress("training")

    def _come_home(self, request_id: str) -> None:
        self.world.let_lease_end(request_id)
        verdict = self._claim(request_id, "host:9:9", self.store[request_id])
        if verdict is not RequestVerdict.EXHAUSTED:
            agree(verdict, RequestVerdict.GRANTED)
            promise(self.world.finish(request_id, self.store[request_id], OUTCOMES[0], {}))
        for _, _, _, fence in [held for held in self.grants if held.request_id == request_id][-5:]:
            self.world.finish(request_id, fence, OUTCOMES[1], {})
        view = self.world.requests.get(request_id)
        promise(view is not None)
        assert view is not None
        promise(view.outcome is not None)
        assert view.outcome is not None
        agree(view.outcome.ok, verdict is RequestVerdict.GRANTED)

    # The promises, in words of their own.

    def _one(self, i: int) -> Held:
        """One of the grants, the last ones first; or none at all, whose fence is 0."""
        choice = [Held(IDS[i % 2], 0, "", 0), *self.grants]
        return choice[-1 - i % min(len(choice), 6)]

    def _last_of(self, request_id: str) -> int:
        """How many grants ago the request was granted last, at most 6; 0 if it was not."""
        recent = [held.request_id for held in reversed(self.grants[-6:])]
        return 1 + recent.index(request_id) if request_id in recent else 0

    def _claim(self, request_id: str, owner: str, floor: int) -> RequestVerdict:
        grant = self.world.claim(request_id, owner, floor)
        if grant.verdict is RequestVerdict.GRANTED:
            held = Held(request_id, self.lives[request_id], owner, grant.fence)
            self._granted(held, floor)
        if grant.verdict is RequestVerdict.EXHAUSTED:
            self._ended(request_id, "exhausted", 0)
        return grant.verdict

    def _granted(self, held: Held, floor: int) -> None:
        mine = [h for h in self.grants if h[:2] == held[:2]]
        promise((held.request_id, held.life) not in self.ends)
        promise(held.fence > floor)
        if held in mine:
            agree(held, mine[-1])
            return
        promise(all(h.fence < held.fence for h in mine))
        self.grants.append(held)
        fences_back = {h.fence for h in self.given_back if h[:2] == held[:2]}
        deaths = sum(h.fence not in fences_back for h in mine)
        promise(deaths < MAX_ATTEMPTS)
        self.store[held.request_id] = max(self.store[held.request_id], held.fence)

    def _ended(self, request_id: str, how: str, fence: int) -> None:
        """A request ends once: whoever else is told so was told the same before."""
        life = (request_id, self.lives[request_id])
        agree(self.ends.setdefault(life, (how, fence)), (how, fence))
