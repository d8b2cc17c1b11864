"""Runs the checker on everything that a round has left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from shared.registry.registry import Registry
from tests.nemesis import checker
from tests.nemesis.scenario import Scene
from tests.support.processes.fleet import wait_for

#: Late results and repeated hints are processed, and processes end, well within this time.
QUIET_S = 20.0
#: With an outage this short before the end of a job, its keys could not be deleted.
NEAR_S = 20.0


class Verdict(msgspec.Struct):
    """Figures of one round, which `reach` sets."""

    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    results: int = 0
    late: int = 0  #: lower bound for results beyond one per batch, which changed nothing
    trained: int = 0
    keys_expiring: int = 0

    def reach(self, scene: Scene, outages: Sequence[tuple[float, float]]) -> list[str]:
        """End all processes, and return the errors in words."""
        expected, table = scene.school.table(scene.paths), scene.output.read_bytes()
        self.lost, self.doubled, self.wrong, _ = checker.compare(expected, table)
        found = checker.table_faults(expected, table)
        for command in scene.commands:
            found += command.faults
        found += self._keys(scene, outages)
        found += _processes(scene) + self._training(scene)
        self.results = scene.results.count
        self.late = scene.results.late(scene.plan.batches)
        return found + ([] if self.results else ["no result was counted"])

    def _keys(self, scene: Scene, outages: Sequence[tuple[float, float]]) -> list[str]:
        end_s = scene.job.done_s
        near = any(started - 1 < end_s and healed + NEAR_S > end_s for started, healed in outages)
        deadline = time.monotonic() + QUIET_S
        while found := checker.key_faults(checker.left(scene.client), near):
            if time.monotonic() > deadline:
                break
            time.sleep(0.2)
        strict = checker.key_faults(checker.left(scene.client), expiring=False)
        self.keys_expiring = len(strict) - len(found)
        return found

    def _training(self, scene: Scene) -> list[str]:
        if scene.training is None:
            return []
        self.trained = 1
        models = [str(msgspec.json.decode(text)["model"]) for text in scene.training.outputs]
        registry, name = Registry(scene.school.store), scene.model
        versions = [f"{name}@{n}" for n in registry.versions(name)]
        found = checker.training_faults(models, versions, name)
        moves = len(registry.history(name))
        return found + ([f"{name} was promoted {moves} times"] if moves != 1 else [])


def _processes(scene: Scene) -> list[str]:
    with suppress(AssertionError):  # one that has ended has a code
        for slot in scene.slots:  # SIGTERM ends a process that has set no handler yet
            scene.fleet.wait_ready(slot.worker)
    codes = [slot.worker.end() for slot in scene.slots]
    codes += [worker.wait() for worker in scene.ending]
    with suppress(AssertionError):
        wait_for("the end of all processes", lambda: not scene.fleet.pids, QUIET_S)
    return checker.process_faults(scene.fleet.pids, codes)
