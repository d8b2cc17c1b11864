"""The checker at work: everything of a round that is over is looked at."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from shared.registry.registry import Registry
from tests.nemesis import checker
from tests.nemesis.scenario import Scene
from tests.support.processes.fleet import wait_for

#: Late results and doubled hints are taken in, and processes end, well within.
QUIET_S = 20.0
#: A server that was away shortly before the job ended could not be told to delete its keys.
NEAR_S = 20.0


class Verdict(msgspec.Struct):
    """Figures of one round; `reach` fills them in."""

    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    results: int = 0
    late: int = 0  #: results beyond one for each batch, which changed nothing; at least so many
    trained: int = 0
    keys_expiring: int = 0

    def reach(self, scene: Scene, away: Sequence[tuple[float, float]]) -> list[str]:
        """What is wrong, in words. Ends all processes."""
        expected, table = scene.school.table(scene.paths), scene.output.read_bytes()
        self.lost, self.doubled, self.wrong, _ = checker.compare(expected, table)
        found = checker.table_faults(expected, table)
        for command in scene.commands:
            found += command.faults
        found += self._keys(scene, away)
        found += _processes(scene) + self._training(scene)
        self.results = scene.results.count
        self.late = scene.results.late(scene.plan.batches)
        return found + ([] if self.results else ["no result was noted"])

    def _keys(self, scene: Scene, away: Sequence[tuple[float, float]]) -> list[str]:
        end_s = scene.job.done_s
        near = any(begun - 1 < end_s and healed + NEAR_S > end_s for begun, healed in away)
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
        answers = [str(msgspec.json.decode(text)["model"]) for text in scene.training.answers]
        registry, name = Registry(scene.school.store), scene.model
        versions = [f"{name}@{n}" for n in registry.versions(name)]
        found = checker.answer_faults(answers, versions, name)
        moves = len(registry.history(name))
        return found + ([f"{name} was promoted {moves} times"] if moves != 1 else [])


def _processes(scene: Scene) -> list[str]:
    codes = [slot.worker.end() for slot in scene.slots]
    codes += [worker.wait() for worker in scene.ending]
    with suppress(AssertionError):
        wait_for("the end of all processes", lambda: not scene.fleet.pids, QUIET_S)
    return checker.process_faults(scene.fleet.pids, codes)
