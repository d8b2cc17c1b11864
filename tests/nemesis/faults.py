"""The nemesis: one class per fault, each with what it does and how it is healed."""

from __future__ import annotations

import signal
import time
from collections.abc import Collection
from contextlib import suppress
from typing import ClassVar

from redis.exceptions import RedisError

from producer.peek import is_running
from shared import heartbeat, keys
from tests import proc
from tests.claims import Held, claims
from tests.fleet import Worker
from tests.nemesis.jobs import Command
from tests.nemesis.scene import Scene, Slot

#: A victim with a batch in hand is looked for this long. A claim lasts milliseconds here.
MEET_S = 2.0
#: So many deaths of one batch at most: from the second on images are done one by one, and one
#: that is met twice with a dying child is taken to be the cause.
DEATHS_MAX = 3
RESETS, RESET_EVERY_S = 5, 0.1
SQUEEZED_BYTES = 1 << 20  # less than it uses: every write is refused


class NotNow(Exception):
    """There is nothing to do this to; the text says why."""


class Fault:
    """Done once. `held`: the victim had a live claim when it was met."""

    kind: ClassVar[str]
    #: Whether the producer cannot reach the server, or only badly, until it is healed.
    server_away = False

    def __init__(self, scene: Scene, victim: int) -> None:
        self.scene, self.victim = scene, victim
        self.held = False
        self.who = ""  #: for the history

    def begin(self) -> None:
        """Do it. Raises NotNow."""
        raise NotImplementedError

    def heal(self) -> None:
        """Take it back, where that does not happen by itself."""


class _Worker(Fault):
    """Done to one of the workers, or to a child of it."""

    @property
    def slot(self) -> Slot:
        return self.scene.workers[self.victim % len(self.scene.workers)]

    def meet(self) -> int:
        """A child of it, stopped: with a batch in hand if one is met so in time."""
        worker = self.slot.worker
        if not worker.children:
            raise NotNow(f"{self.slot.name} has no children yet")
        held = meet(self.scene, worker.children)
        self.held = held is not None
        if held is not None:
            self.who = f"{self.slot.name}, {held.child} with batch {held.batch}"
            return held.child
        self.who = f"{self.slot.name}, a child with nothing in hand"
        child = worker.children[self.victim % len(worker.children)]
        with suppress(ProcessLookupError):
            proc.stop(child)
        return child


class ChildKilled(_Worker):
    kind = "child_killed"

    def begin(self) -> None:
        proc.kill(self.meet())


class ChildAsleep(_Worker):
    kind = "child_asleep"
    _child = 0

    def begin(self) -> None:
        self._child = self.meet()

    def heal(self) -> None:
        with suppress(ProcessLookupError):
            proc.go_on(self._child)


class WorkerKilled(_Worker):
    kind = "worker_killed"

    def begin(self) -> None:
        self.meet()
        self.slot.worker.kill()

    def heal(self) -> None:
        self.slot.replace()


class WorkerAsleep(_Worker):
    kind = "worker_asleep"

    def begin(self) -> None:
        self.meet()
        self.slot.worker.sleep()

    def heal(self) -> None:
        _wake(self.slot.worker)


class WorkerEnded(_Worker):
    """In good order: it finishes what it has in hand."""

    kind = "worker_ended"

    def begin(self) -> None:
        self.who = self.slot.name
        if not _has_beaten(self.scene, self.slot.worker):
            raise NotNow(f"{self.slot.name} has not begun yet")
        self.slot.worker.signal(signal.SIGTERM)
        self.scene.ending.append(self.slot.worker)
        self.slot.replace()


class _Producer(Fault):
    @property
    def command(self) -> Command:
        return self.scene.job

    def signal(self, number: signal.Signals) -> None:
        if not self.command.running or self.command.process is None:
            raise NotNow("it is between two runs")
        self.who = str(self.command.process.pid)
        self.command.process.signal(number)


class ProducerKilled(_Producer):
    kind = "producer_killed"

    def begin(self) -> None:
        self.signal(signal.SIGKILL)
        self.command.held_back = True

    def heal(self) -> None:
        self.command.held_back = False


class ProducerInterrupted(ProducerKilled):
    kind = "producer_interrupted"

    def begin(self) -> None:
        if not is_running(self.scene.output):  # Python itself, without Hangtag, says more
            raise NotNow("it has not begun yet")
        self.signal(signal.SIGINT)
        self.command.held_back = True


class ProducerAsleep(_Producer):
    kind = "producer_asleep"

    def begin(self) -> None:
        self.signal(signal.SIGSTOP)

    def heal(self) -> None:
        with suppress(NotNow):
            self.signal(signal.SIGCONT)


class ServerKilled(Fault):
    """It comes back empty."""

    kind = "server_killed"
    server_away = True

    def begin(self) -> None:
        self.scene.server.kill()

    def heal(self) -> None:
        self.scene.server.start()


class ServerRewound(Fault):
    """It comes back as it was a moment ago: part of what was done since is forgotten."""

    kind = "server_rewound"
    server_away = True
    _earlier = b""

    def begin(self) -> None:
        self._earlier = self.scene.server.snapshot()

    def heal(self) -> None:
        self.scene.server.restart(self._earlier)


class ServerFrozen(Fault):
    kind = "server_frozen"
    server_away = True

    def begin(self) -> None:
        self.scene.server.freeze()

    def heal(self) -> None:
        self.scene.server.thaw()


class ServerEmptied(Fault):
    kind = "server_emptied"

    def begin(self) -> None:
        self.scene.client.flushall()


class MemorySqueezed(Fault):
    kind = "memory_squeezed"
    server_away = True

    def begin(self) -> None:
        self.scene.server.limit_memory(SQUEEZED_BYTES)

    def heal(self) -> None:
        self.scene.server.limit_memory(0)


class ConnectionsReset(Fault):
    kind = "connections_reset"
    server_away = True

    def begin(self) -> None:
        for _ in range(RESETS):
            self.scene.client.client_kill_filter(_type="normal", skipme=True)
            time.sleep(RESET_EVERY_S)


class _Trainer(Fault):
    """Done where a training is under way: so it must not be over."""

    def begin(self) -> None:
        training = self.scene.training
        if training is None or training.done:
            raise NotNow("the training is over")
        self.held = bool(self.scene.trainer.worker.children) and self._is_running()
        self.who = "with the request in hand" if self.held else "idle"
        self.act(self.scene.trainer)

    def act(self, slot: Slot) -> None:
        raise NotImplementedError

    def _is_running(self) -> bool:
        with suppress(RedisError):
            key = keys.request(self.scene.model, "state")
            return bool(self.scene.client.hget(key, "owner"))
        return False


class TrainerKilled(_Trainer):
    kind = "trainer_killed"

    def act(self, slot: Slot) -> None:
        slot.worker.kill()

    def heal(self) -> None:
        self.scene.trainer.replace()


class TrainerChildKilled(_Trainer):
    kind = "trainer_child_killed"

    def act(self, slot: Slot) -> None:
        for child in slot.worker.children:
            proc.kill(child)


class TrainerAsleep(_Trainer):
    kind = "trainer_asleep"

    def act(self, slot: Slot) -> None:
        slot.worker.sleep()

    def heal(self) -> None:
        _wake(self.scene.trainer.worker)


class DiskFull(Fault):
    """The journal's, and the table's."""

    kind = "disk_full"

    def begin(self) -> None:
        if self.scene.disk is None:
            raise NotNow("no small disk can be mounted here")
        self.scene.disk.fill()

    def heal(self) -> None:
        assert self.scene.disk is not None
        self.scene.disk.free()


class LinkDown(Fault):
    """Somebody's cable is pulled out: a worker's, the trainer's or the producer's."""

    kind = "link_down"

    def begin(self) -> None:
        places = [(slot.name, slot.pair) for slot in self.scene.slots]
        places.append(("producer", self.scene.producer_pair))
        self.who, self._pair = places[self.victim % len(places)]
        self.server_away = self.who == "producer"
        if self._pair is None:
            raise NotNow("no networks can be made here")
        self._pair.down()

    def heal(self) -> None:
        assert self._pair is not None
        self._pair.up()


FAULTS: dict[str, type[Fault]] = {
    fault.kind: fault
    for fault in (
        *(ChildKilled, ChildAsleep, WorkerKilled, WorkerAsleep, WorkerEnded),
        *(ProducerKilled, ProducerInterrupted, ProducerAsleep),
        *(ServerKilled, ServerRewound, ServerFrozen, ServerEmptied),
        *(MemorySqueezed, ConnectionsReset),
        *(TrainerKilled, TrainerChildKilled, TrainerAsleep),
        *(DiskFull, LinkDown),
    )
}


def meet(scene: Scene, pids: Collection[int]) -> Held | None:
    """Stop one of these processes while it holds a live claim; None if none is met so in time."""
    deadline = time.monotonic() + MEET_S
    while time.monotonic() < deadline:
        with suppress(RedisError, ProcessLookupError):
            for held in claims(scene.client):
                if held.child in pids and (met := _stopped(scene, held.child)) is not None:
                    return met
    return None


def _stopped(scene: Scene, child: int) -> Held | None:
    proc.stop(child)
    try:
        # What it had sent before it was stopped the server has seen: the claim is live.
        for held in claims(scene.client):
            if held.child == child and not _is_suspect(scene, held):
                return held
    except RedisError:
        proc.go_on(child)
        raise
    proc.go_on(child)
    return None


def _is_suspect(scene: Scene, held: Held) -> bool:
    deaths = scene.client.hget(keys.job(held.job, "deaths"), str(held.batch))
    return int(deaths or 0) >= DEATHS_MAX


def _has_beaten(scene: Scene, worker: Worker) -> bool:
    """Whether it is ready: one that is told to end while it starts has nothing to finish."""
    with suppress(RedisError):
        return any(beat.pid == worker.pid for beat in heartbeat.alive(scene.client))
    return False


def _wake(worker: Worker) -> None:
    """Whoever is left of it goes on."""
    for pid in (*worker.children, worker.pid):
        with suppress(ProcessLookupError):
            proc.go_on(pid)
