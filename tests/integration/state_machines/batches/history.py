"""Histories of one job: any actions and faults in any order, then its completion."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from celery import Celery
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from redis.exceptions import ConnectionError

from producer.job.journal import Journal
from producer.job.row_batch import RowBatch
from shared import keys
from shared.image_status import Status
from shared.ledger.batch_ledger import LOADING, ClaimVerdict
from tests.integration.state_machines.batches.actors import CHILDREN_EACH, PARENTS, Life
from tests.integration.state_machines.batches.files import POISON, is_poison
from tests.integration.state_machines.batches.model import IDLE_MS
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

FUTURE_MS = 10_000
HEALTHY = "host:9:9"
#: By this much a heartbeat is newer than a claim whose owner it lists as idle.
LONG_IDLE_MS = FUTURE_MS - 1_000
#: More files than the first window holds batches.
MAX_FILES = 13
#: The maximum of half steps until the producer's fault: about one turn.
MAX_FUSE = 13
#: A healthy worker needs a turn or two for each batch, and up to four deaths for each image that
#: kills it.
TURNS_PER_FILE, TURNS_AT_LEAST = 6, 12

slots = st.integers(0, len(PARENTS) * CHILDREN_EACH - 1)
parents = st.sampled_from(PARENTS)
some = st.integers(0, 99)
batches = st.integers(0, 1 + MAX_FILES // SETTINGS.batch_images)  # one more than can exist
parts = st.sampled_from(["record", "results", *keys.JOB_PARTS])
images = st.lists(st.sampled_from([b""] * 6 + [POISON]), min_size=3, max_size=MAX_FILES)


class History(RuleBasedStateMachine):
    """Every step compares Redis with the oracle; the end compares the journal with the files."""

    def __init__(self, server: RedisServer, app: Celery) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp(dir=server.folder))
        self.world = World(server, app, self._folder)
        self.life = Life(self.world)
        self.moment: Moment = self.world.snapshot()
        self.ending = ""

    @initialize(images=images, ending=st.sampled_from(["dead", "slow", "replaced", "idle"]))
    def start(self, images: list[bytes], ending: str) -> None:
        for i, kind in enumerate(images):
            self.world.files.write(f"pics/{i:02}.png".encode(), kind + bytes([i]))
        self.ending = ending

    # Normal operation.

    @precondition(lambda self: not self.life.ended)
    @rule(survey=st.booleans())
    def producer_takes_a_turn(self, survey: bool) -> None:
        self.life.produce(survey)

    @rule(slots=st.lists(slots, min_size=1, max_size=6))
    def children_work(self, slots: list[int]) -> None:
        for slot in slots:
            self.life.take_or_work(slot)

    @rule(parent=parents)
    def parent_beats(self, parent: str) -> None:
        self.life.beat(parent)

    @precondition(lambda self: not self.life.ended)
    @rule()
    def all_processes_work(self) -> None:
        self.life.produce(survey=True)
        for parent in PARENTS:
            self.life.beat(parent)
        for slot in range(len(self.life.children)):
            self.life.take_or_work(slot)
        self.life.report_all()

    # Users.

    @rule(i=some, what=st.sampled_from(["cancel", "change an image", "remove an image"]))
    def user_interferes(self, i: int, what: str) -> None:
        files = self.world.files
        names = sorted(files.versions.keys() - files.gone)
        if what == "cancel":
            self.world.cancel()
        elif what == "change an image":
            files.append(names[i % len(names)])
        elif self.life.producer is not None:  # a frozen name: others would have no row
            frozen = {name for names in self.life.producer.journal.names() for name in names}
            if names := sorted(frozen - files.gone)[:-1]:
                files.remove(names[i % len(names)])

    # Faults of processes.

    @precondition(lambda self: not self.life.ended)
    @rule(survey=st.booleans(), fuse=st.integers(0, MAX_FUSE))
    def producer_dies(self, survey: bool, fuse: int) -> None:
        self.life.fuse.error = Died
        self.life.produce(survey, fuse)
        self.life.lose_producer()

    @precondition(lambda self: not self.life.ended)
    @rule(survey=st.booleans(), fuse=st.integers(0, MAX_FUSE))
    def producer_loses_redis(self, survey: bool, fuse: int) -> None:
        self.life.fuse.error = ConnectionError
        self.life.produce(survey, fuse)

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
        what=st.sampled_from(["reports", "reports, reply lost", "loses heartbeat", "dies"]),
    )
    def parent_reports_or_dies(self, parent: str, what: str) -> None:
        if what.startswith("reports"):
            for death in [death for death in self.life.unreported if death[0] == parent]:
                self.world.report_death(death[1], parent, death[2])
                if what == "reports":  # otherwise it is reported again
                    self.life.unreported.remove(death)
            return
        self.world.silence(parent)
        if what == "dies":
            self.life.unreported = [death for death in self.life.unreported if death[0] != parent]
            self.life.replace_children(parent)

    @rule(
        i=some,
        deaths=st.integers(2, 4),
        survivor=st.sampled_from(["none", "loads", "completes", "cancels"]),
        alive=st.sampled_from([(), PARENTS[:1], PARENTS]),
    )
    def model_kills_children_that_load_it(
        self, i: int, deaths: int, survivor: str, alive: Sequence[str]
    ) -> None:
        """Children of one parent die. One that has claimed another batch before survives."""
        batch, other = self._offered(i), self._offered(i + 1)
        healthy = self._claimed(other) if survivor in ("loads", "completes") else None
        for _ in range(deaths):
            if child := self._claimed(batch):
                self.world.mark_image(batch, child.owner, LOADING)
                self.world.report_death(batch, child.parent, child.pid)
        if healthy is not None:
            self.world.beat(healthy.parent, [healthy.id])
        self.world.survey([batch, other], alive)
        if survivor == "cancels":
            self.world.cancel()
            self.world.survey([batch], alive)
        elif healthy is not None and healthy.work is not None:
            if survivor == "loads":
                self.world.loaded(other, healthy.owner)
            elif not healthy.work.kills:
                self.world.complete(other, healthy.owner, healthy.work.result)
        self.world.claim(self.life.new_child(PARENTS[i % 2]), batch)
        if not self.life.ended:
            self.life.produce(survey=True)

    @rule(i=some, what=st.sampled_from(["completes", "releases", "marks an image", "claims"]))
    def former_owner_resumes(self, i: int, what: str) -> None:
        if not self.life.claims:
            return
        child, work = self.life.claims[-1 - i % len(self.life.claims)]
        if what == "completes" and not work.kills:
            self.world.complete(work.batch, child.owner, work.result)
        elif what == "releases":
            self.world.release(work.batch, child.owner, damaged=i % 2 == 1)
        elif what == "marks an image":
            if self.world.mark_image(work.batch, child.owner, i % len(work.images)):
                self.life.only_poison_kills = False  # a death would count against this image
        elif what == "claims":
            self.life.claim(replace(child), work.batch)

    @rule(i=some)
    def offer_follows_the_result(self, i: int) -> None:
        """The producer offers the images again while a worker completes the batch."""
        done = [claim for claim in self.life.claims if claim[1].batch in self.world.model.done]
        if done:
            child, work = done[i % len(done)]
            self.world.offer_late(work.batch, work.images)
            self.world.complete(work.batch, child.owner, work.result)

    # Faults of messages, time and Redis.

    @rule(batch=batches, slot=slots, what=st.sampled_from(["late", "late", "doubled", "lost"]))
    def hint_is_late_lost_or_doubled(self, batch: int, slot: int, what: str) -> None:
        if what == "lost":
            self.world.take_hint()
        elif what == "doubled":
            self.world.hint(batch)
        elif idle := sorted({*range(len(self.life.children))} - {*self.life.busy()}):
            self.life.claim(self.life.children[idle[slot % len(idle)]], batch)

    @rule(part=parts, between=st.sampled_from(["works", "killed", "gives up", "marks an image"]))
    def redis_loses_one_key(self, part: str, between: str) -> None:
        if between == "works":
            for slot in range(len(self.life.children)):
                self.life.take_or_work(slot)
        self.world.lose(part)
        for slot in self.life.busy():
            self.life.fail(slot, between)
        self.life.report_all()

    @rule(i=some, unreadable=st.sampled_from(UNREADABLE), claims=st.booleans())
    def another_client_writes_counts(self, i: int, unreadable: bytes, claims: bool) -> None:
        batch = self._offered(i)
        child = self._claimed(batch) if claims else None
        if child is not None:
            self.world.mark_image(batch, child.owner, 0)
            self.life.only_poison_kills = False
        self.world.write_unreadable_counts(batch, unreadable)
        if child is not None:
            self.world.report_death(batch, child.parent, child.pid)

    @rule(part=st.sampled_from(["deaths", "careful", "crashed"]))
    def another_client_writes_another_type(self, part: str) -> None:
        self.world.overwrite(part)

    @rule(
        i=some,
        what=st.sampled_from(
            ["completes", "resumes", "marks an image", "loads", "dies", "gives up", "none"]
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
        elif what == "marks an image":
            self.world.mark_image(batch, child.owner, 0)
        elif what == "loads":
            self.world.loaded(batch, child.owner)
        elif what == "dies":
            self.world.report_death(batch, child.parent, child.pid)
        elif what == "gives up":
            self.world.release(batch, child.owner)
        else:
            self.world.survey([batch])

    @rule(i=some, dead=st.booleans())
    def former_owner_completes_what_another_holds(self, i: int, dead: bool) -> None:
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
        """A new child with a claim on the batch; None if the claim was refused."""
        child = self.life.new_child(PARENTS[0])
        self.life.beat(PARENTS[0])
        return child if self.world.claim(child, batch).verdict is ClaimVerdict.RUN else None

    @rule(parent=parents, how=st.integers(0, len(FOREIGN_BEATS) + 3), i=some)
    def foreign_version_beats(self, parent: str, how: int, i: int) -> None:
        """A rival claims the batch, which shows whether the first claim is live."""
        self.world.beat(parent, [])
        child = self.life.new_child(parent)
        self.world.claim(child, self._offered(i))
        self.world.write_foreign_beat(parent, child.id, how)
        self.world.claim(self.life.new_child(HEALTHY), self._offered(i))

    @rule(
        parent=parents,
        ahead_ms=st.sampled_from([IDLE_MS // 2, LONG_IDLE_MS]),
        idle=st.booleans(),
        i=some,
    )
    def parent_lists_an_owner_as_idle(self, parent: str, ahead_ms: int, idle: bool, i: int) -> None:
        """The server may have lost the end of its work. A rival claims the batch."""
        self.world.beat(parent, [])
        child = self.life.new_child(parent)
        self.world.claim(child, self._offered(i))
        others = [one.id for one in self.life.children if one.parent == parent]
        self.world.beat(parent, [*others, child.id], ahead_ms, [child.id] if idle else others)
        self.world.claim(self.life.new_child(HEALTHY), self._offered(i))

    def _offered(self, i: int) -> int:
        """A batch whose images are in Redis, if any."""
        offered = sorted(self.world.model.payload)
        return offered[i % len(offered)] if offered else i

    @rule(what=st.sampled_from(["claims expire", "snapshot", "restore", "flush"]))
    def time_and_redis(self, what: str) -> None:
        if what == "claims expire":
            self.world.let_claims_expire()
        elif what == "snapshot":
            self.moment = self.world.snapshot()
        elif what == "restore" and not self.life.ended:
            self.world.restore(self.moment)
        elif what == "flush":
            self.world.flush()

    # Invariants.

    @invariant()
    def redis_agrees_with_the_oracle(self) -> None:
        self.world.check_ledger()
        if self.life.ended:
            agree(self.world.job_keys(), [])

    @invariant()
    def results_in_the_journal_are_right(self) -> None:
        if self.life.producer is not None:
            for batch in self.life.producer.journal.row_batches():
                self._check_rows(batch)

    # The end: after any history, a healthy worker completes the job.

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:  # no failure is being raised
                self._complete()
                self._check_end()
        finally:
            self.life.lose_producer()
            self.world.close()
            shutil.rmtree(self._folder)

    def _complete(self) -> None:
        self._end_owners()
        slot = len(self.life.children)
        self.life.children.append(self.life.new_child(HEALTHY))
        turns = 0
        while not self.life.ended:
            turns += 1
            promise(turns <= TURNS_AT_LEAST + TURNS_PER_FILE * len(self.world.files.versions))
            self.life.beat(HEALTHY)
            self.life.produce(survey=True)
            while (batch := self.world.take_hint()) is not None:
                self.life.claim(self.life.children[slot], batch)
                while self.life.children[slot].work is not None:
                    self.life.work(slot)
                self.life.report_all()
                self.life.beat(HEALTHY)
            self.world.check_ledger()

    def _end_owners(self) -> None:
        if self.ending == "slow":
            self.world.let_claims_expire()
        for parent in PARENTS:
            if self.ending == "replaced":
                self.life.replace_children(parent)
            if self.ending == "dead":
                self.world.silence(parent)
            elif self.ending == "idle":
                self.life.give_up(parent)
                self.life.beat(parent, LONG_IDLE_MS)
            elif parent in self.world.model.beats:
                self.life.beat(parent)
        self.life.unreported.clear()

    def _check_end(self) -> None:
        for child, work in self.life.claims[-3:]:
            self.world.complete(work.batch, child.owner, work.result)
            self.world.claim(child, work.batch)
            self.world.mark_image(work.batch, child.owner, 0)
            self.world.release(work.batch, child.owner)
            self.world.report_death(work.batch, child.parent, child.pid)
        self.world.cancel()
        agree(self.world.job_keys(), [])
        with closing(Journal(self.world.journal)) as journal:
            agree(journal.open_batches(), [])
            names = [name for batch in journal.names() for name in batch]
            agree(names, sorted(self.world.files.versions))
            crashed = sum(map(self._check_rows, journal.row_batches()))
        if self.life.only_poison_kills:
            contents = self.world.files.versions.values()
            promise(crashed <= sum(is_poison(versions[0]) for versions in contents))

    def _check_rows(self, batch: RowBatch) -> int:
        """Check that every row is right; return the number of `crashed` rows."""
        for name, code, label in zip(batch.names, batch.statuses, batch.labels, strict=True):
            right = self.world.files.right(name)
            promise((code, label) in right or code == Status.CRASHED.code)
        return batch.statuses.count(Status.CRASHED.code)
