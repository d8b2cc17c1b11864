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
from redis.exceptions import ConnectionError

from producer.journal.journal import Journal
from shared import keys
from shared.image_status import Status
from shared.ledger.batches import LOADING, ClaimVerdict
from shared.messages.batch import decode_result
from tests.integration.state_machines.batches.actors import CHILDREN_EACH, PARENTS, Life
from tests.integration.state_machines.batches.files import POISON, is_poison
from tests.integration.state_machines.batches.producer import Died
from tests.integration.state_machines.batches.workers import Child
from tests.integration.state_machines.batches.world import (
    FOREIGN_BEATS,
    SETTINGS,
    UNREADABLE,
    Moment,
    World,
)
from tests.mutants.promise import agree, promise
from tests.support.servers.redis_server import RedisServer

HEALTHY = "host:9:9"
#: More files than the first window holds batches.
MAX_FILES = 13
#: Within so many steps, counted twice, something befalls the producer: about a turn.
MAX_FUSE = 13
#: A healthy worker needs a turn or two for each batch, and up to four deaths for each picture
#: that kills it.
TURNS_PER_FILE, TURNS_AT_LEAST = 6, 12

slots = st.integers(0, len(PARENTS) * CHILDREN_EACH - 1)
parents = st.sampled_from(PARENTS)
some = st.integers(0, 99)
batches = st.integers(0, 1 + MAX_FILES // SETTINGS.batch_images)  # one more than there can be
parts = st.sampled_from(["record", "results", *keys.JOB_PARTS])
pictures = st.lists(st.sampled_from([b""] * 6 + [POISON]), min_size=3, max_size=MAX_FILES)


class History(RuleBasedStateMachine):
    """Every step compares Redis with the oracle; the end compares the journal with the files."""

    def __init__(self, server: RedisServer, app: Celery) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp(dir=server.folder))
        self.world = World(server, app, self._folder)
        self.life = Life(self.world)
        self.moment: Moment = self.world.snapshot()
        self.ending = ""

    @initialize(pictures=pictures, ending=st.sampled_from(["dead", "slow", "replaced"]))
    def begin(self, pictures: list[bytes], ending: str) -> None:
        for i, kind in enumerate(pictures):
            self.world.files.write(f"pics/{i:02}.png".encode(), kind + bytes([i]))
        self.ending = ending

    # What is meant to happen.

    @precondition(lambda self: not self.life.ended)
    @rule(look=st.booleans())
    def producer_goes_on(self, look: bool) -> None:
        self.life.produce(look)

    @rule(slots=st.lists(slots, min_size=1, max_size=6))
    def children_work(self, slots: list[int]) -> None:
        for slot in slots:
            self.life.take_or_work(slot)

    @rule(parent=parents)
    def heart_beats(self, parent: str) -> None:
        self.life.beat(parent)

    @precondition(lambda self: not self.life.ended)
    @rule()
    def all_is_well_for_a_while(self) -> None:
        self.life.produce(look=True)
        for parent in PARENTS:
            self.life.beat(parent)
        for slot in range(len(self.life.children)):
            self.life.take_or_work(slot)
        self.life.report_all()

    # What people do.

    @rule(i=some, what=st.sampled_from(["cancel", "change a picture", "remove a picture"]))
    def people_interfere(self, i: int, what: str) -> None:
        files = self.world.files
        names = sorted(files.versions.keys() - files.gone)
        if what == "cancel":
            self.world.cancel()
        elif what == "change a picture":
            files.append(names[i % len(names)])
        elif self.life.producer is not None:  # one that is frozen: else it would be no row
            frozen = {name for names in self.life.producer.journal.names() for name in names}
            if names := sorted(frozen - files.gone)[:-1]:
                files.remove(names[i % len(names)])

    # What befalls processes.

    @precondition(lambda self: not self.life.ended)
    @rule(look=st.booleans(), fuse=st.integers(0, MAX_FUSE))
    def producer_dies(self, look: bool, fuse: int) -> None:
        self.life.fuse.error = Died
        self.life.produce(look, fuse)
        self.life.lose_producer()

    @precondition(lambda self: not self.life.ended)
    @rule(look=st.booleans(), fuse=st.integers(0, MAX_FUSE))
    def producer_loses_redis(self, look: bool, fuse: int) -> None:
        self.life.fuse.error = ConnectionError
        self.life.produce(look, fuse)

    @rule(
        slot=slots,
        what=st.sampled_from(
            [
                "killed",
                "gives up",
                "gives up, damaged",
                "garbage",
                "too large",
                "loads",
                "dies loading",
                "claims again",
            ]
        ),
    )
    def child_fails(self, slot: int, what: str) -> None:
        busy = self.life.busy()
        if busy:
            self.life.fail(busy[slot % len(busy)], what)

    @rule(
        parent=parents,
        what=st.sampled_from(["reports", "reports, unanswered", "falls silent", "dies"]),
    )
    def parent_speaks_or_dies(self, parent: str, what: str) -> None:
        if what.startswith("reports"):
            for death in [death for death in self.life.unreported if death[0] == parent]:
                self.world.bury(death[1], parent, death[2])
                if what == "reports":  # else it is reported again
                    self.life.unreported.remove(death)
            return
        self.world.silence(parent)
        if what == "dies":
            self.life.unreported = [death for death in self.life.unreported if death[0] != parent]
            self.life.replace_children(parent)

    @rule(i=some, deaths=st.integers(2, 4), cancels=st.booleans())
    def model_ends_those_that_load_it(self, i: int, deaths: int, cancels: bool) -> None:
        batch = self._offered(i)
        for _ in range(deaths):
            if child := self._claimed(batch):
                self.world.take_in_hand(batch, child.owner, LOADING)
                self.world.bury(batch, child.parent, child.pid)
        if child := self._claimed(batch):  # one more, which survives it
            self.world.take_in_hand(batch, child.owner, LOADING)
            self.world.loaded(batch, child.owner)
        if cancels:
            self.world.cancel()
        if not self.life.ended:
            self.life.produce(look=True)

    @rule(i=some, what=st.sampled_from(["completes", "releases", "takes in hand", "claims"]))
    def old_owner_wakes(self, i: int, what: str) -> None:
        if not self.life.claims:
            return
        child, work = self.life.claims[-1 - i % len(self.life.claims)]
        if what == "completes" and not work.kills:
            self.world.complete(work.batch, child.owner, work.result)
        elif what == "releases":
            self.world.release(work.batch, child.owner, damaged=i % 2 == 1)
        elif what == "takes in hand":
            if self.world.take_in_hand(work.batch, child.owner, i % len(work.images)):
                self.life.only_poison_kills = False  # a death would count against this image
        elif what == "claims":
            self.life.claim(replace(child), work.batch)

    @rule(i=some)
    def offer_comes_after_the_result(self, i: int) -> None:
        """The producer puts the images again while a worker completes the batch."""
        done = [one for one in self.life.claims if one[1].batch in self.world.model.done]
        if done:
            child, work = done[i % len(done)]
            self.world.offer_late(work.batch, work.images)
            self.world.complete(work.batch, child.owner, work.result)

    # What befalls messages, time and Redis.

    @rule(batch=batches, slot=slots, what=st.sampled_from(["late", "late", "doubled", "lost"]))
    def hint_goes_astray(self, batch: int, slot: int, what: str) -> None:
        if what == "lost":
            self.world.take_hint()
        elif what == "doubled":
            self.world.hint(batch)
        elif idle := sorted({*range(len(self.life.children))} - {*self.life.busy()}):
            self.life.claim(self.life.children[idle[slot % len(idle)]], batch)

    @rule(part=parts, between=st.sampled_from(["works", "killed", "gives up", "takes in hand"]))
    def redis_loses_one_key(self, part: str, between: str) -> None:
        if between == "works":
            for slot in range(len(self.life.children)):
                self.life.take_or_work(slot)
        self.world.lose(part)
        for slot in self.life.busy():
            self.life.fail(slot, between)
        self.life.report_all()

    @rule(i=some, unreadable=st.sampled_from(UNREADABLE), claims=st.booleans())
    def another_program_writes_counts(self, i: int, unreadable: bytes, claims: bool) -> None:
        batch = self._offered(i)
        child = self._claimed(batch) if claims else None
        if child is not None:
            self.world.take_in_hand(batch, child.owner, 0)
            self.life.only_poison_kills = False
        self.world.write_rubbish(batch, unreadable)
        if child is not None:
            self.world.bury(batch, child.parent, child.pid)

    @rule(
        i=some,
        what=st.sampled_from(
            ["completes", "resumes", "takes in hand", "loads", "dies", "gives up", "none"]
        ),
    )
    def redis_loses_the_record_of_a_claimed_batch(self, i: int, what: str) -> None:
        batch = self._offered(i)
        child = self._claimed(batch)
        if child is None or child.work is None:
            return
        self.world.lose("record")
        if what == "completes":
            self.world.complete(batch, child.owner, child.work.result)
        elif what == "resumes" and not child.work.kills:
            self.world.resume()
            self.world.complete(batch, child.owner, child.work.result)
        elif what == "takes in hand":
            self.world.take_in_hand(batch, child.owner, 0)
        elif what == "loads":
            self.world.loaded(batch, child.owner)
        elif what == "dies":
            self.world.bury(batch, child.parent, child.pid)
        elif what == "gives up":
            self.world.release(batch, child.owner)
        else:
            self.world.survey(batch)

    @rule(i=some, dead=st.booleans())
    def owner_of_before_completes_what_another_holds(self, i: int, dead: bool) -> None:
        batch = self._offered(i)
        child = self._claimed(batch)
        if child is not None and child.work is not None and not child.work.kills:
            rival = self.life.new_child(PARENTS[1])
            self.world.silence(child.parent)
            self.world.beat(rival.parent, [rival.id])
            self.world.claim(rival, batch)
            if dead:
                self.world.silence(rival.parent)
            self.world.complete(batch, child.owner, child.work.result)

    def _claimed(self, batch: int) -> Child | None:
        """A new child that has claimed the batch; None if it was refused."""
        child = self.life.new_child(PARENTS[0])
        self.life.beat(PARENTS[0])
        return child if self.world.claim(child, batch).verdict is ClaimVerdict.RUN else None

    @rule(parent=parents, how=st.integers(0, len(FOREIGN_BEATS) + 3), i=some)
    def heart_beats_otherwise(self, parent: str, how: int, i: int) -> None:
        """Whether a claim is live is seen by another that wants it."""
        self.world.beat(parent, [])
        child = self.life.new_child(parent)
        self.world.claim(child, self._offered(i))
        self.world.beat_otherwise(parent, child.id, how)
        self.world.claim(self.life.new_child(HEALTHY), self._offered(i))

    def _offered(self, i: int) -> int:
        """A batch whose images are in Redis, if there is one."""
        offered = sorted(self.world.model.payload)
        return offered[i % len(offered)] if offered else i

    @rule(what=st.sampled_from(["passes", "is kept", "comes back", "empties"]))
    def time_and_redis(self, what: str) -> None:
        if what == "passes":
            self.world.let_claims_expire()
        elif what == "is kept":
            self.moment = self.world.snapshot()
        elif what == "comes back" and not self.life.ended:
            self.world.restore(self.moment)
        elif what == "empties":
            self.world.flush()

    # What holds at every moment.

    @invariant()
    def redis_holds_what_the_oracle_says(self) -> None:
        self.world.check_ledger()
        if self.life.ended:
            agree(self.world.job_keys(), [])

    @invariant()
    def results_in_the_journal_are_right(self) -> None:
        if self.life.producer is not None:
            for names, result in self.life.producer.journal.rows():
                self._check_rows(names, result)

    # The end: whatever happened, a healthy worker brings the job home.

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:  # not on the way out of a failure
                self._come_home()
                self._check_end()
        finally:
            self.life.lose_producer()
            self.world.close()
            shutil.rmtree(self._folder)

    def _come_home(self) -> None:
        self._give_up_on_owners()
        slot = len(self.life.children)
        self.life.children.append(self.life.new_child(HEALTHY))
        turns = 0
        while not self.life.ended:
            turns += 1
            promise(turns <= TURNS_AT_LEAST + TURNS_PER_FILE * len(self.world.files.versions))
            self.life.beat(HEALTHY)
            self.life.produce(look=True)
            while (batch := self.world.take_hint()) is not None:
                self.life.claim(self.life.children[slot], batch)
                while self.life.children[slot].work is not None:
                    self.life.work(slot)
                self.life.report_all()
                self.life.beat(HEALTHY)
            self.world.check_ledger()

    def _give_up_on_owners(self) -> None:
        if self.ending == "slow":
            self.world.let_claims_expire()
        for parent in PARENTS:
            if self.ending == "replaced":
                self.life.replace_children(parent)
            if self.ending == "dead":
                self.world.silence(parent)
            elif parent in self.world.model.beats:
                self.life.beat(parent)
        self.life.unreported.clear()

    def _check_end(self) -> None:
        for child, work in self.life.claims[-3:]:
            self.world.complete(work.batch, child.owner, work.result)
            self.world.claim(child, work.batch)
            self.world.take_in_hand(work.batch, child.owner, 0)
            self.world.release(work.batch, child.owner)
            self.world.bury(work.batch, child.parent, child.pid)
        self.world.cancel()
        agree(self.world.job_keys(), [])
        with closing(Journal(self.world.journal)) as journal:
            agree(journal.open_batches(), [])
            names = [name for batch in journal.names() for name in batch]
            agree(names, sorted(self.world.files.versions))
            crashed = sum(self._check_rows(*rows) for rows in journal.rows())
        if self.life.only_poison_kills:
            contents = self.world.files.versions.values()
            promise(crashed <= sum(is_poison(versions[0]) for versions in contents))

    def _check_rows(self, names: list[bytes], data: bytes) -> int:
        """Every row is right; how many are `crashed`."""
        result = decode_result(data, len(names))
        labels = memoryview(result.indices).cast("H")
        for name, code, label in zip(names, result.statuses, labels, strict=True):
            right = self.world.files.right(name)
            promise((code, label) in right or code == Status.CRASHED.code)
        return result.statuses.count(Status.CRASHED.code)
