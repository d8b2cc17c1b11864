"""Faults of workers and their children."""

from __future__ import annotations

import signal
from contextlib import suppress

from redis.exceptions import RedisError

from shared.ledger import heartbeats
from tests.nemesis.faults.base import Fault, NotNow, resume
from tests.nemesis.meeting import meet
from tests.nemesis.scenario import Scene, Slot
from tests.support.processes import procfs
from tests.support.processes.fleet import Worker


class _Worker(Fault):
    """A fault of a worker, or of one of its children."""

    @property
    def slot(self) -> Slot:
        return self.scene.workers[self.victim % len(self.scene.workers)]

    def meet(self) -> int:
        """Stop a child and return its pid; it has a batch in progress if one is found in time."""
        worker = self.slot.worker
        if not worker.children:
            raise NotNow(f"{self.slot.name} has no children yet")
        held = meet(self.scene, worker.children)
        self.held = held is not None
        if held is not None:
            self.detail = f"{self.slot.name}, {held.child} with batch {held.batch}"
            return held.child
        self.detail = f"{self.slot.name}, an idle child"
        children = worker.children  # empty if the worker has just ended
        if not children:
            raise NotNow(f"{self.slot.name} no longer has children")
        child = children[self.victim % len(children)]
        with suppress(ProcessLookupError):
            procfs.stop(child)
        return child


class ChildKilled(_Worker):
    kind = "child_killed"

    def start(self) -> None:
        procfs.kill(self.meet())


class ChildAsleep(_Worker):
    kind = "child_asleep"
    _child = 0

    def start(self) -> None:
        self._child = self.meet()

    def heal(self) -> None:
        with suppress(ProcessLookupError):
            procfs.go_on(self._child)


class WorkerKilled(_Worker):
    kind = "worker_killed"

    def start(self) -> None:
        self.meet()
        self.slot.worker.kill()

    def heal(self) -> None:
        self.slot.replace()


class WorkerAsleep(_Worker):
    kind = "worker_asleep"

    def start(self) -> None:
        self.meet()
        self.slot.worker.sleep()

    def heal(self) -> None:
        resume(self.slot.worker)


class WorkerEnded(_Worker):
    """The worker gets SIGTERM and finishes its work in progress."""

    kind = "worker_ended"

    def start(self) -> None:
        self.detail = self.slot.name
        if not _has_beaten(self.scene, self.slot.worker):
            raise NotNow(f"{self.slot.name} has not started yet")
        self.slot.worker.signal(signal.SIGTERM)
        self.scene.ending.append(self.slot.worker)
        self.slot.replace()


def _has_beaten(scene: Scene, worker: Worker) -> bool:
    """Whether the worker is ready; before that it has no work to finish."""
    with suppress(RedisError):
        return any(beat.pid == worker.pid for beat in heartbeats.alive(scene.client))
    return False
