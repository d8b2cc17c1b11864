"""The measurements, and their summary over repeats: medians, and ratios within a repeat."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from statistics import median
from typing import NamedTuple

import msgspec


class Contender(enum.StrEnum):
    """The contenders, by their names in the tables."""

    BARE = "bare loop"
    WARM = "Hangtag, warm"
    COLD = "Hangtag, cold"
    FP32 = "Hangtag in fp32, warm"
    KERAS = "Keras"
    RAY = "Ray Data"
    CELERY = "plain Celery"


class Case(NamedTuple):
    """What is measured in each repeat."""

    network: str
    contender: Contender
    images: int


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one contender. Times in seconds, memory in bytes."""

    contender: Contender
    network: str
    repeat: int
    images: int
    whole_s: float  #: from before the command's start to after its end
    work_s: float  #: without its own start, by its own clock
    peaks: dict[str, int] = {}  #: role -> the largest process
    together: int = 0  #: all processes at one moment, shared pages counted in each
    cpu_s: dict[str, float] = {}  #: role -> processor time of all its processes

    @property
    def case(self) -> Case:
        """What it measured."""
        return Case(self.network, self.contender, self.images)

    @property
    def work_rate(self) -> float:
        """Images/s of work."""
        return self.images / self.work_s

    @property
    def whole_rate(self) -> float:
        """Images/s of the whole command."""
        return self.images / self.whole_s


Value = Callable[[Measured], float]


class Results(msgspec.Struct):
    """Every run, in chronological order."""

    runs: list[Measured] = []

    def of(self, case: Case) -> list[Measured]:
        """The runs of one case, one for each repeat."""
        return [run for run in self.runs if run.case == case]

    def cases(self) -> list[Case]:
        """Grouped by network, in the order of its first run; then the most images first."""
        found = dict.fromkeys(run.case for run in self.runs)
        networks = list(dict.fromkeys(case.network for case in found))
        return sorted(found, key=lambda case: (networks.index(case.network), -case.images))

    def median(self, case: Case, value: Value) -> float | None:
        """The median over the repeats; None if there is none."""
        return middle(value(run) for run in self.of(case))

    def ratio(
        self, network: str, images: int, first: tuple[Contender, Value],
        second: tuple[Contender, Value],
    ) -> float | None:  # fmt: skip
        """The median of the ratios within a repeat, since disturbances slow both contenders.

        Only runs with the same images are compared.
        """
        runs = self.of(Case(network, second[0], images))
        others = {run.repeat: second[1](run) for run in runs}
        return middle(
            first[1](run) / others[run.repeat]
            for run in self.of(Case(network, first[0], images))
            if run.repeat in others
        )


def middle(values: Iterable[float]) -> float | None:
    """The median; None without values."""
    found = list(values)
    return median(found) if found else None


def work(run: Measured) -> float:
    """Images/s without the start."""
    return run.work_rate


def whole(run: Measured) -> float:
    """Images/s with the start."""
    return run.whole_rate
