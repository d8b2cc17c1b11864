"""Faults of the producer, which is started again by the same command."""

from __future__ import annotations

import signal
from contextlib import suppress

from producer.job.snapshot import is_running
from tests.nemesis.faults.base import Fault, NotNow
from tests.nemesis.jobs import Command


class _Producer(Fault):
    @property
    def command(self) -> Command:
        return self.scene.job

    def signal(self, number: signal.Signals) -> None:
        if not self.command.running or self.command.process is None:
            raise NotNow("it is between two runs")
        self.detail = str(self.command.process.pid)
        self.command.process.signal(number)


class ProducerKilled(_Producer):
    kind = "producer_killed"

    def start(self) -> None:
        self.signal(signal.SIGKILL)
        self.command.held_back = True

    def heal(self) -> None:
        self.command.held_back = False


class ProducerInterrupted(ProducerKilled):
    kind = "producer_interrupted"

    def start(self) -> None:
        if not is_running(self.scene.output):  # before, Python prints a traceback
            raise NotNow("it has not started yet")
        self.signal(signal.SIGINT)
        self.command.held_back = True


class ProducerAsleep(_Producer):
    kind = "producer_asleep"

    def start(self) -> None:
        self.signal(signal.SIGSTOP)

    def heal(self) -> None:
        with suppress(NotNow):
            self.signal(signal.SIGCONT)
