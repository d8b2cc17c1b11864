"""The process of the worker's package that fits a head behind each decision, and chooses pages."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from producer.machine.helper import Helper
from shared.messages.labelling import (
    Counts,
    Decide,
    NextPage,
    Noted,
    Order,
    Page,
    Reply,
    Start,
    Suggest,
)

Answer = TypeVar("Answer", Noted, Page, Counts)


def group_helper() -> Helper:
    """The process that groups the images of a folder. Raises SetupError: its packages are missing.

    Small products in several threads wait for each other: with one, a head of 5,000 images takes
    less than 0.1 s.
    """
    one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return Helper("worker.labelling", Reply, "images cannot be grouped", variables=one_thread)


class StackLabel(NamedTuple):
    """The number of a decision about a stack, as the process has it."""

    label: int
    by_chance: bool
    excluded: Sequence[int] = ()  #: labels that it does not have


class Learner:
    """The process, started again with all decisions if it has died. For several threads.

    Raises SetupError if the packages for it are not installed.
    """

    def __init__(self, features: bytes) -> None:
        self._helper = group_helper()
        self._features = features
        self._suggested: dict[int, int] = {}
        self._decided: dict[int, StackLabel] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._helper.close()

    def decide(self, labels: Mapping[int, StackLabel]) -> None:
        """Note decisions about stacks; they are learned from behind the answer."""
        with self._lock:
            self._decided |= labels
            self._ask(_decide(labels), Noted)

    def suggest(self, labels: Mapping[int, int]) -> None:
        """Note labels of a model, from which the head learns as long as nothing is decided."""
        with self._lock:
            self._suggested |= labels
            self._ask(_suggest(labels), Noted)

    def next(self, without: list[int], settled: bool, since: float) -> Page:
        """The stacks of the next page, for which a person waits since this time of the monotonic
        clock; `settled`: chosen by a head that knows every decision."""
        with self._lock:
            return self._ask(NextPage(without, settled, time.monotonic() - since), Page)

    def ask(self, order: Order, kind: type[Answer]) -> Answer:
        """The reply to an order that changes nothing."""
        with self._lock:
            return self._ask(order, kind)

    def _ask(self, order: Order, kind: type[Answer]) -> Answer:
        for _ in range(2):
            if not self._helper.is_running:
                self._repeat()
            reply = self._helper.ask(order)
            if isinstance(reply, kind):
                return reply
            self._helper.close()
        raise self._helper.ended()

    def _repeat(self) -> None:
        """All that a new process must know."""
        known = self._helper.ask(Start(self._features))
        if known is not None and self._suggested:
            known = self._helper.ask(_suggest(self._suggested))
        if known is not None and self._decided:
            self._helper.ask(_decide(self._decided))


def _suggest(labels: Mapping[int, int]) -> Suggest:
    return Suggest(list(labels), list(labels.values()))


def _decide(labels: Mapping[int, StackLabel]) -> Decide:
    return Decide(
        list(labels),
        [label.label for label in labels.values()],
        [label.by_chance for label in labels.values()],
        [list(label.excluded) for label in labels.values()],
    )
