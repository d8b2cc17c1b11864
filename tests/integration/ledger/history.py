"""Histories of one job: whatever may happen to it, in any order, and then its end."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from celery import Celery
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from redis.exceptions import ConnectionError, RedisError

from producer.journal import Journal
from shared.contract import decode_result
from shared.exits import Exit
from shared.ledger import Verdict
from shared.status import Status
from tests.integration.ledger.files import POISON, answer
from tests.integration.ledger.producer import Died, Fuse, Producer
from tests.integration.ledger.world import SETTINGS, Child, Moment, Work, World
from tests.server import RedisServer

PARENTS = ("host:1:1", "host:2:2")
CHILDREN_EACH = 2
HEALTHY = "host:9:9"
#: More files than the first window holds batches.
MAX_FILES = 13
#: Within so many steps, counted twice, something befalls the producer: a turn has fewer.
MAX_FUSE = 28
#: A healthy worker needs a turn or two for each batch, and up to four deaths for each picture
#: that kills it.
TURNS_PER_FILE, TURNS_AT_LEAST = 6, 12

slots = st.integers(0, len(PARENTS) * CHILDREN_EACH - 1)
parents = st.sampled_from(PARENTS)
some = st.integers(0, 99)
batches = st.integers(0, 1 + MAX_FILES // SETTINGS.batch_images)  # one more than there can be
fuses = st.one_of(st.none(), st.none(), st.integers(0, MAX_FUSE))
pictures = st.lists(st.sampled_from([b""] * 6 + [POISON]), min_size=3, max_size=MAX_FILES)


class History(RuleBasedStateMachine):
    """Every step compares Redis with the oracle; the end compares the journal with the files."""

    def __init__(self, server: RedisServer, app: Celery) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp(dir=server.folder))
        self.world = World(server, app, self._folder)
        self.fuse = Fuse()
        self.producer: Producer | None = None
        self.ended = False
        self._next_pid = 10
        self.children = [self._new_child(p) for p in PARENTS for _ in range(CHILDREN_EACH)]
        self.unreported: list[tuple[str, int, int]] = []  # parent, batch, pid
        self.claims: list[tuple[Child, Work]] = []
        self.moment: Moment = self.world.snapshot()
        self.only_poison_kills = True
        self.ending = ""

    @initialize(pictures=pictures, ending=st.sampled_from(["dead", "slow", "replaced"]))
    def begin(self, pictures: list[bytes], ending: str) -> None:
        for i, kind in enumerate(pictures):
            self.world.files.write(f"pics/{i:02}.png".encode(), kind + bytes([i]))
        self.ending = ending

    # What is meant to happen.

    @precondition(lambda self: not self.ended)
    @rule(
        look=st.booleans(),
        fuse=fuses,
        error=st.sampled_from([Died, ConnectionError]),
        dies=st.sampled_from([False, False, False, True]),
    )
    def producer_goes_on(
        self, look: bool, fuse: int | None, error: type[Exception], dies: bool
    ) -> None:
        self.fuse.error = error
        self._produce(look, fuse)
        if dies:
            self._lose_producer()

    @rule(slots=st.lists(slots, min_size=1, max_size=6))
    def children_work(self, slots: list[int]) -> None:
        for slot in slots:
            self._take_or_work(slot)

    @rule(parent=parents)
    def heart_beats(self, parent: str) -> None:
        self._beat(parent)

    @precondition(lambda self: not self.ended)
    @rule()
    def all_is_well_for_a_while(self) -> None:
        self._produce(True, None)
        for parent in PARENTS:
            self._beat(parent)
        for slot in range(len(self.children)):
            self._take_or_work(slot)
        self._report_all()

    # What people do.

    @rule(i=some, what=st.sampled_from(["cancel", "change a picture", "remove a picture"]))
    def people_interfere(self, i: int, what: str) -> None:
        files = self.world.files
        names = sorted(files.versions.keys() - files.gone)
        if what == "cancel":
            self.world.cancel()
        elif what == "change a picture":
            files.append(names[i % len(names)])
        elif self.producer is not None:  # one that is frozen: else it would be no row
            frozen = {name for names in self.producer.journal.names() for name in names}
            if names := sorted(frozen - files.gone)[:-1]:
                files.remove(names[i % len(names)])

    # What befalls processes.

    @rule(slot=slots, what=st.sampled_from(["killed", "gives up", "garbage", "claims again"]))
    def child_fails(self, slot: int, what: str) -> None:
        busy = self._busy()
        if busy:
            self._fail(busy[slot % len(busy)], what)

    @rule(
        parent=parents,
        what=st.sampled_from(["reports", "reports, unanswered", "falls silent", "dies"]),
    )
    def parent_speaks_or_dies(self, parent: str, what: str) -> None:
        if what.startswith("reports"):
            for death in [death for death in self.unreported if death[0] == parent]:
                self.world.bury(death[1], parent, death[2])
                if what == "reports":  # else it is reported again
                    self.unreported.remove(death)
            return
        self.world.silence(parent)
        if what == "dies":
            self.unreported = [death for death in self.unreported if death[0] != parent]
            for slot, child in enumerate(self.children):
                if child.parent == parent:
                    self.children[slot] = self._new_child(parent)

    @rule(i=some, what=st.sampled_from(["completes", "releases", "takes in hand", "claims"]))
    def old_owner_wakes(self, i: int, what: str) -> None:
        if not self.claims:
            return
        child, work = self.claims[-1 - i % len(self.claims)]
        if what == "completes" and not _kills(work):
            self.world.complete(work.batch, _result(work))
        elif what == "releases":
            self.world.release(work.batch, child.owner)
        elif what == "takes in hand":
            if self.world.take_in_hand(work.batch, child.owner, i % len(work.images)):
                self.only_poison_kills = False  # a death would count against this image
        elif what == "claims":
            self._claim(replace(child), work.batch)

    # What befalls messages, time and Redis.

    @rule(batch=batches, slot=slots, what=st.sampled_from(["late", "late", "doubled", "lost"]))
    def hint_goes_astray(self, batch: int, slot: int, what: str) -> None:
        if what == "lost":
            self.world.take_hint()
        elif what == "doubled":
            self.world.hint(batch)
        elif idle := sorted({*range(len(self.children))} - {*self._busy()}):
            self._claim(self.children[idle[slot % len(idle)]], batch)

    @rule(then=st.sampled_from(["killed", "gives up", "takes in hand"]))
    def record_is_lost(self, then: str) -> None:
        self.world.lose_record()
        for slot in self._busy():
            self._fail(slot, then)
        self._report_all()

    @rule(what=st.sampled_from(["passes", "is kept", "comes back", "empties"]))
    def time_and_redis(self, what: str) -> None:
        if what == "passes":
            self.world.let_claims_expire()
        elif what == "is kept":
            self.moment = self.world.snapshot()
        elif what == "comes back" and not self.ended:
            self.world.restore(self.moment)
        elif what == "empties":
            self.world.flush()

    # What holds at every moment.

    @invariant()
    def redis_holds_what_the_oracle_says(self) -> None:
        self.world.check_ledger()
        if self.ended:
            assert self.world.job_keys() == []

    @invariant()
    def results_in_the_journal_are_right(self) -> None:
        if self.producer is not None:
            for names, result in self.producer.journal.rows():
                self._check_rows(names, result)

    # The end: whatever happened, a healthy worker brings the job home.

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:  # not on the way out of a failure
                self._come_home()
                self._check_end()
        finally:
            self._lose_producer()
            self.world.close()
            shutil.rmtree(self._folder)

    def _come_home(self) -> None:
        self._give_up_on_owners()
        slot = len(self.children)
        self.children.append(self._new_child(HEALTHY))
        turns = 0
        while not self.ended:
            turns += 1
            assert turns <= TURNS_AT_LEAST + TURNS_PER_FILE * len(self.world.files.versions)
            self._beat(HEALTHY)
            self._produce(True, None)
            while (batch := self.world.take_hint()) is not None:
                self._claim(self.children[slot], batch)
                while self.children[slot].work is not None:
                    self._work(slot)
                self._report_all()
                self._beat(HEALTHY)
            self.world.check_ledger()

    def _give_up_on_owners(self) -> None:
        if self.ending == "slow":
            self.world.let_claims_expire()
        for slot, child in enumerate(self.children):
            if self.ending == "replaced":
                self.children[slot] = self._new_child(child.parent)
        for parent in PARENTS:
            if self.ending == "dead":
                self.world.silence(parent)
            elif parent in self.world.model.beats:
                self._beat(parent)
        self.unreported.clear()

    def _check_end(self) -> None:
        for child, work in self.claims[-3:]:
            self.world.complete(work.batch, _result(work))
            self.world.claim(child, work.batch)
            self.world.take_in_hand(work.batch, child.owner, 0)
            self.world.release(work.batch, child.owner)
            self.world.bury(work.batch, child.parent, child.pid)
        self.world.cancel()
        assert self.world.job_keys() == []
        with closing(Journal(self.world.journal)) as journal:
            assert journal.open_batches() == []
            names = [name for batch in journal.names() for name in batch]
            assert names == sorted(self.world.files.versions)
            crashed = sum(self._check_rows(*rows) for rows in journal.rows())
        if self.only_poison_kills:
            contents = self.world.files.versions.values()
            assert crashed <= sum(_is_poison(versions[0]) for versions in contents)

    def _check_rows(self, names: list[bytes], data: bytes) -> int:
        """Every row is right; how many are `crashed`."""
        result = decode_result(data, len(names))
        labels = memoryview(result.indices).cast("H")
        for name, code, label in zip(names, result.statuses, labels, strict=True):
            right = self.world.files.right(name)
            assert (code, label) in right or code == Status.CRASHED.code
        return result.statuses.count(Status.CRASHED.code)

    # Steps that several rules have in common.

    def _produce(self, look: bool, fuse: int | None) -> None:
        if self.producer is None:
            self._resume(fuse)
        else:
            self._turn(look, fuse)

    def _resume(self, fuse: int | None) -> None:
        self.fuse.left = fuse
        try:
            self.producer = Producer(self.world, self.fuse)
        except (Died, RedisError):
            self.producer = None
        self.fuse.left = None

    def _turn(self, look: bool, fuse: int | None) -> None:
        assert self.producer is not None
        self.fuse.left = fuse
        code = None
        try:
            code = self.producer.turn(look)
        except Died:
            self._lose_producer()
        self.fuse.left = None
        if code is not None:
            self.ended = code in (Exit.OK, Exit.SOME_FAILED)
            self._lose_producer()

    def _lose_producer(self) -> None:
        if self.producer is not None:
            self.producer.close()
        self.producer = None

    def _new_child(self, parent: str) -> Child:
        self._next_pid += 1
        return Child(parent, self._next_pid)

    def _claim(self, child: Child, batch: int) -> None:
        if self.world.claim(child, batch).verdict is Verdict.RUN:
            assert child.work is not None
            self.claims.append((replace(child), child.work))

    def _take_or_work(self, slot: int) -> None:
        child = self.children[slot]
        if child.work is not None:
            self._work(slot)
        elif (batch := self.world.take_hint()) is not None:
            self._claim(child, batch)

    def _busy(self) -> list[int]:
        return [slot for slot, child in enumerate(self.children) if child.work is not None]

    def _fail(self, slot: int, what: str) -> None:
        child = self.children[slot]
        work = child.work
        assert work is not None
        if what == "killed":
            self.only_poison_kills = False
            self._die(slot)
        elif what == "gives up":
            self.world.release(work.batch, child.owner)
            child.work = None
        elif what == "garbage":
            self.world.complete(work.batch, b"garbage")
            child.work = None
        elif what == "takes in hand":
            self.world.take_in_hand(work.batch, child.owner, work.index)
        else:
            self._claim(child, work.batch)

    def _work(self, slot: int) -> None:
        """A child's next step: a batch, or, carefully, one image. Poison ends the child."""
        child, work = self.children[slot], self.children[slot].work
        if work is None:
            return
        if not work.careful:
            if any(_is_poison(image) for image in work.images):
                return self._die(slot)
            work.index = len(work.images)
        elif not self.world.take_in_hand(work.batch, child.owner, work.index):
            child.work = None
            return
        elif work.index not in work.convicted and _is_poison(work.images[work.index]):
            return self._die(slot)
        else:
            work.index += 1
        if work.index == len(work.images):
            self.world.complete(work.batch, _result(work))
            child.work = None

    def _die(self, slot: int) -> None:
        child = self.children[slot]
        if child.work is not None:
            self.unreported.append((child.parent, child.work.batch, child.pid))
        self.children[slot] = self._new_child(child.parent)

    def _report_all(self) -> None:
        for parent, batch, pid in self.unreported:
            self.world.bury(batch, parent, pid)
        self.unreported.clear()

    def _beat(self, parent: str) -> None:
        self.world.beat(parent, [c.id for c in self.children if c.parent == parent])


def _result(work: Work) -> bytes:
    return answer(
        [Status.CRASHED if i in work.convicted else img for i, img in enumerate(work.images)]
    )


def _kills(work: Work) -> bool:
    """Whether an owner of this work would have died of it."""
    return any(_is_poison(img) for i, img in enumerate(work.images) if i not in work.convicted)


def _is_poison(image: bytes | Status) -> bool:
    return isinstance(image, bytes) and image.startswith(POISON)
