"""The process of the worker's package that fits a head behind each decision, and chooses pages."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from producer.pages import worker_process
from shared import installation
from shared.errors import BadMessage, SetupError
from shared.pipes import labelling
from shared.pipes.framing import receive, send
from shared.pipes.labelling import Count, Counts, Decide, NextPage, Order, Page, Similar, Start

_MODULE = "worker.labelling"
#: Small products in several threads wait for each other: with one, a head of 5,000 images takes
#: less than 0.1 s.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

Answer = TypeVar("Answer", Page, Counts)


class StackLabel(NamedTuple):
    """The number of a decision about a stack, as the process has it."""

    label: int
    by_chance: bool


class Learner:
    """The process, started again with all decisions if it has died. For several threads.

    Raises SetupError if the packages for it are not installed.
    """

    def __init__(self, features: bytes) -> None:
        if lack := installation.missing(worker_process.PACKAGES, "worker"):
            raise SetupError(f"images cannot be grouped: {lack}")
        self._features = features
        self._decided: dict[int, StackLabel] = {}
        self._lock = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def decide(self, labels: Mapping[int, StackLabel]) -> Counts:
        """Note decisions about stacks; they are learned from behind the answer."""
        with self._lock:
            self._decided |= labels
            return self._ask(_decide(labels), Counts)

    def next(self, without: list[int], settled: bool) -> Page:
        """The stacks of the next page; `settled`: chosen by a head that knows every decision."""
        with self._lock:
            return self._ask(NextPage(without, settled), Page)

    def similar(self, stack: int) -> Page:
        """The stacks that are most like one."""
        with self._lock:
            return self._ask(Similar(stack), Page)

    def counts(self, settled: bool) -> Counts:
        """What is decided, and what the head is sure of."""
        with self._lock:
            return self._ask(Count(settled), Counts)

    def _ask(self, order: Order, kind: type[Answer]) -> Answer:
        for _ in range(2):
            process = self._started()
            reply = self._exchange(process, order)
            if isinstance(reply, kind):
                return reply
            self._end()
        raise SetupError(
            "the process that groups images ends; this shows why: "
            f"{sys.executable} -m {_MODULE} </dev/null"
        )

    def _started(self) -> subprocess.Popen[bytes]:
        if self._running is None:
            self._running = worker_process.start(_MODULE, **_ONE_THREAD)
            first = self._exchange(self._running, Start(self._features))
            if first is not None and self._decided:
                self._exchange(self._running, _decide(self._decided))
        return self._running

    def _exchange(self, process: subprocess.Popen[bytes], order: Order) -> Page | Counts | None:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            send(process.stdin, labelling.encode(order))
            reply = receive(process.stdout)
            return None if reply is None else labelling.decode_reply(reply)
        except (OSError, BadMessage):
            return None

    def _end(self) -> None:
        process, self._running = self._running, None
        if process is not None:
            process.kill()
            process.communicate()


def _decide(labels: Mapping[int, StackLabel]) -> Decide:
    return Decide(
        list(labels),
        [label.label for label in labels.values()],
        [label.by_chance for label in labels.values()],
    )
