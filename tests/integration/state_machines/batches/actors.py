"""The processes of one job: its producer and two workers of two children, with their actions."""

from __future__ import annotations

from dataclasses import replace

from redis.exceptions import RedisError

from shared.errors import Exit, SetupError
from shared.ledger.batch_ledger import LOADING, ClaimVerdict
from tests.integration.state_machines.batches.files import GARBAGE, is_poison
from tests.integration.state_machines.batches.producer import Died, Fuse, Producer
from tests.integration.state_machines.batches.workers import Child, Work
from tests.integration.state_machines.batches.world import TOO_LARGE, World

PARENTS = ("host:1:1", "host:2:2")
CHILDREN_EACH = 2


class Life:
    """Applies every step to Redis and to its oracle, and compares them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.fuse = Fuse()
        self.producer: Producer | None = None
        self.ended = False
        self._next_pid = 10
        self.children = [self.new_child(p) for p in PARENTS for _ in range(CHILDREN_EACH)]
        self.unreported: list[tuple[str, int, int]] = []  #: parent, batch, pid
        self.claims: list[tuple[Child, Work]] = []  #: all claims of the history
        self.only_poison_kills = True

    def produce(self, survey: bool, fuse: int | None = None) -> None:
        """Run a turn of the producer, or start a producer if there is none."""
        if self.producer is None:
            self._resume(fuse)
        else:
            self._turn(survey, fuse)

    def _resume(self, fuse: int | None) -> None:
        self.fuse.left = fuse
        try:
            self.producer = Producer(self.world, self.fuse)
        except (Died, RedisError):
            self.producer = None
        self.fuse.left = None

    def _turn(self, survey: bool, fuse: int | None) -> None:
        assert self.producer is not None
        self.fuse.left = fuse
        code = None
        try:
            code = self.producer.turn(survey)
        except (Died, SetupError):  # SetupError: the model kills the processes that load it
            self.lose_producer()
        self.fuse.left = None
        if code is not None:
            self.ended = code in (Exit.OK, Exit.SOME_FAILED)
            self.lose_producer()

    def lose_producer(self) -> None:
        """The producer's process ends."""
        if self.producer is not None:
            self.producer.close()
        self.producer = None

    def new_child(self, parent: str) -> Child:
        """A child with an unused process id."""
        self._next_pid += 1
        return Child(parent, self._next_pid)

    def claim(self, child: Child, batch: int) -> None:
        """A child follows a hint."""
        if self.world.claim(child, batch).verdict is ClaimVerdict.RUN:
            assert child.work is not None
            self.claims.append((replace(child), child.work))

    def take_or_work(self, slot: int) -> None:
        """An idle child takes the oldest hint; a busy child takes its next step."""
        child = self.children[slot]
        if child.work is not None:
            self.work(slot)
        elif (batch := self.world.take_hint()) is not None:
            self.claim(child, batch)

    def busy(self) -> list[int]:
        """The slots of the busy children."""
        return [slot for slot, child in enumerate(self.children) if child.work is not None]

    def fail(self, slot: int, what: str) -> None:
        """A busy child fails in the given way."""
        child = self.children[slot]
        work = child.work
        assert work is not None
        if what == "killed":
            self.only_poison_kills = False
            self.die(slot)
        elif what.startswith("gives up"):
            self.world.release(work.batch, child.owner, damaged=what.endswith("damaged"))
            child.work = None
        elif what == "garbage":
            self.world.complete(work.batch, child.owner, GARBAGE)
            child.work = None
        elif what == "too large":
            self.world.complete(work.batch, child.owner, TOO_LARGE)
        elif what == "marks an image":
            self.world.mark_image(work.batch, child.owner, work.index)
        elif what == "loads":
            self.world.mark_image(work.batch, child.owner, LOADING)
            self.world.loaded(work.batch, child.owner)
        elif what == "dies loading":  # blames no image
            self.world.mark_image(work.batch, child.owner, LOADING)
            self.die(slot)
        elif what == "claims again":
            self.claim(child, work.batch)

    def work(self, slot: int) -> None:
        """A child classifies its batch or, if careful, one image. Poison kills the child."""
        child, work = self.children[slot], self.children[slot].work
        if work is None:
            return
        if not work.careful:
            if work.kills:
                return self.die(slot)
            work.index = len(work.images)
        elif not self.world.mark_image(work.batch, child.owner, work.index):
            child.work = None
            return
        elif work.index not in work.blamed and is_poison(work.images[work.index]):
            return self.die(slot)
        else:
            work.index += 1
        if work.index == len(work.images):
            self.world.complete(work.batch, child.owner, work.result)
            child.work = None

    def give_up(self, parent: str) -> None:
        """The children of a parent stop working, with their claims in Redis."""
        for child in self.children:
            if child.parent == parent:
                child.work = None

    def die(self, slot: int) -> None:
        """A child's process ends; the report of its parent is pending."""
        child = self.children[slot]
        if child.work is not None:
            self.unreported.append((child.parent, child.work.batch, child.pid))
        self.children[slot] = self.new_child(child.parent)

    def report_all(self) -> None:
        """Parents report the deaths of their children."""
        for parent, batch, pid in self.unreported:
            self.world.report_death(batch, parent, pid)
        self.unreported.clear()

    def beat(self, parent: str, ahead_ms: int = 0) -> None:
        """Send a heartbeat with the live children, from a clock that is `ahead_ms` fast."""
        own = [child for child in self.children if child.parent == parent]
        idle = [child.id for child in own if child.work is None]
        self.world.beat(parent, [child.id for child in own], ahead_ms, idle)

    def replace_children(self, parent: str) -> None:
        """Replace all children of a parent, as after its restart."""
        for slot, child in enumerate(self.children):
            if child.parent == parent:
                self.children[slot] = self.new_child(parent)
