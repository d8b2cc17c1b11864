"""Faults of workers and their children."""

from __future__ import annotations

import signal
from contextlib import suppress

from redis.exceptions import RedisError

from shared.ledger import heartbeats
from tests.nemesis.faults.base import Fault, NotNow, wake
from tests.nemesis.meeting import meet
from tests.nemesis.scenario import Scene, Slot
from tests.support.processes import procfs
from tests.support.processes.fleet import Worker


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
        children = worker.children  # none, if its end has come meanwhile
        if not children:
            raise NotNow(f"{self.slot.name} has no children any more")
        child = children[self.victim % len(children)]
        with suppress(ProcessLookupError):
            procfs.stop(child)
        return child


class ChildKilled(_Worker):
    kind = "child_killed"

    def begin(self) -> None:
        procfs.kill(self.meet())


class ChildAsleep(_Worker):
    kind = "child_asleep"
    _child = 0

    def begin(self) -> None:
        self._child = self.meet()

    def heal(self) -> None:
        with suppress(ProcessLookupError):
            procfs.go_on(self._child)


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
        wake(self.slot.worker)


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


def _has_beaten(scene: Scene, worker: Worker) -> bool:
    """Whether it is ready: one that is told to end while it starts has nothing to finish."""
    with suppress(RedisError):
        return any(beat.pid == worker.pid for beat in heartbeats.alive(scene.client))
    return False
