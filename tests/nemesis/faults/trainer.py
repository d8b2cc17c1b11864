"""Faults of the trainer while a training is in progress."""

from __future__ import annotations

from contextlib import suppress

from redis.exceptions import RedisError

from shared import keys
from tests.nemesis.faults.base import Fault, NotNow, resume
from tests.nemesis.scenario import Slot
from tests.support.processes import procfs


class _Trainer(Fault):
    """A fault that needs a training in progress."""

    def start(self) -> None:
        training = self.scene.training
        if training is None or training.done:
            raise NotNow("the training is over")
        self.held = bool(self.scene.trainer.worker.children) and self._is_running()
        self.detail = "with the request in progress" if self.held else "idle"
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
            procfs.kill(child)


class TrainerAsleep(_Trainer):
    kind = "trainer_asleep"

    def act(self, slot: Slot) -> None:
        slot.worker.sleep()

    def heal(self) -> None:
        resume(self.scene.trainer.worker)
