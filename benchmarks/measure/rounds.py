"""One run of `make bench`: rounds of all contenders in turns, then the parts that run once.

The order within a round is that of the steps, so that compared contenders run one after the other.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.contenders import ray_environment
from benchmarks.contenders.contenders import Contenders, table
from benchmarks.environment.paths import environment
from benchmarks.measure import short_run
from benchmarks.measure.command import Failed
from benchmarks.report.agreement import SAME, Accuracy, accuracy, differences
from benchmarks.report.record import ShortRatio
from benchmarks.report.results import Contender, Measured, Results
from benchmarks.workloads import images, networks
from benchmarks.workloads.images import Workload
from benchmarks.workloads.networks import DENSE, SHIPPED, Network

NAMES = (
    "bare",
    "fp32",
    "warm",
    "cold",
    "keras",
    "large",
    "ray",
    "celery",
    "accuracy",
    "short",
)
#: Enough batches for every worker child to process one.
WARMING_IMAGES = 10_000


def compared(mine: Path, reference: Path, *, must_agree: bool) -> str:
    """The differences of two tables. Raises Failed if they `must_agree` and do not."""
    words = differences(mine, reference)
    if must_agree and words != SAME:
        raise Failed(f"{mine} beside {reference}: {words}")
    return words


class Plan(NamedTuple):
    """What to measure."""

    names: Sequence[str]  #: of NAMES
    networks: Sequence[str]
    images: int
    few: int  #: of plain Celery, for the dense network
    large: int  #: of the large job, for the dense network
    repeats: int
    workers: int


class Rounds:
    """The measurements of one run."""

    def __init__(self, plan: Plan, runtime: Path) -> None:
        self._plan, self._env = plan, environment(runtime)
        self._do = Contenders(runtime, plan.workers)
        self._all = images.training(plan.images)
        self._tenth = images.training(max(1, plan.images // 10))  # for the growth of memory
        self._few = images.training(plan.few)
        self._warming, self._test = images.training(WARMING_IMAGES), images.test()
        self.networks = [networks.find(name, self._env) for name in plan.networks]
        self._unquantised = {
            network.name: networks.in_fp32(network, self._env)
            for network in (self.networks if self._has("fp32") else ())
        }
        self.results, self.notes = Results(), list[str]()
        self.accuracies: dict[str, Accuracy] = {}
        self.short: list[ShortRatio] = []
        self.ray = ""  #: its version, if it was measured

    @property
    def server(self) -> str:
        """The queue's server and its version."""
        return self._do.server

    def run(self) -> None:
        """Measure everything in the plan."""
        python = self._ray_environment() if self._has("ray") else None
        for repeat in range(self._plan.repeats):
            self._do.repeat = repeat
            for network in self.networks:
                self._note(self._round(network))
        self._large()
        if python is not None:
            for network in self.networks:
                self._once(partial(self._do.ray, network, self._all, python), Contender.RAY)
        if self._has("celery"):
            for network in self._named(DENSE):
                self._once(partial(self._do.celery, network, self._few), Contender.CELERY)
        if self._has("accuracy"):
            self._accuracies()
        for network in self.networks:
            self._compare(network)
            if self._has("short") and network.name in short_run.NETWORKS:
                self.short.append(short_run.measure(self._do, network))

    def _round(self, network: Network) -> Iterator[Measured]:
        do = self._do
        steps: dict[str, Callable[[], Iterable[Measured]]] = {
            "bare": lambda: [do.bare(network, self._all)],
            "fp32": lambda: self._fp32(network),
            "warm": lambda: self._warm(network),
            "cold": lambda: [do.cold(network, self._test)],
            "keras": lambda: [do.keras(network, self._all)],
        }
        for name, step in steps.items():
            if self._has(name):
                yield from step()

    def _warm(self, network: Network) -> Iterator[Measured]:
        beside_celery = [self._few] if network.name == DENSE else []
        with self._do.warm_stack(network, self._warming):
            for load in (self._all, self._tenth, *beside_celery):
                yield self._do.hangtag(Contender.WARM, network, load)

    def _fp32(self, network: Network) -> Iterator[Measured]:
        """Before `warm`, which writes the table that is compared."""
        with self._do.warm_stack(fp32 := self._unquantised[network.name], self._warming):
            yield self._do.hangtag(Contender.FP32, fp32, self._all)

    def _large(self) -> None:
        """The dense network only: the others would take an hour."""
        if not (self._has("large") and self._plan.large):
            return
        load = images.training(self._plan.large)
        for dense in self._named(DENSE):
            for repeat in range(self._plan.repeats):
                self._do.repeat = repeat
                self._note([self._do.bare(dense, load)])
                with self._do.warm_stack(dense, self._warming):
                    self._note([self._do.hangtag(Contender.WARM, dense, load)])
            self._compare_table("Hangtag", "hangtag", dense, load)

    def _ray_environment(self) -> Path | None:
        """Installed before the rounds, which it would disturb."""
        try:
            python = ray_environment.python()
        except ray_environment.NotInstalled as error:
            self.notes.append(f"Ray Data could not be installed here: {error}")
            return None
        self.ray = ray_environment.version(python)
        return python

    def _once(self, measure: Callable[[], Measured], name: str) -> None:
        """A slow contender, which may not finish."""
        self._do.repeat = 0
        try:
            self._note([measure()])
        except Failed as error:
            self.notes.append(f"{name} did not finish: {error}")

    def _accuracies(self) -> None:
        for network in self._named(SHIPPED):
            self._do.bare(network, self._test)
            self.accuracies[network.name] = accuracy(table("bare_loop", network, self._test))

    def _compare(self, network: Network) -> None:
        for name, module in (("warm", "hangtag"), ("keras", "keras")):
            if self._has(name) and self._has("bare"):
                self._compare_table(module.capitalize(), module, network, self._all)

    def _compare_table(self, name: str, module: str, network: Network, load: Workload) -> None:
        mine, reference = (table(each, network, load) for each in (module, "bare_loop"))
        words = compared(mine, reference, must_agree=module == "hangtag")
        about = f"{network.name}, {load.images:,} images"
        self.notes.append(f"The table of {name} beside that of the bare loop, {about}: {words}")

    def _named(self, name: str) -> list[Network]:
        """The network with this name, if the plan has it."""
        return [network for network in self.networks if network.name == name]

    def _has(self, name: str) -> bool:
        return name in self._plan.names

    def _note(self, found: Iterable[Measured]) -> None:
        for one in found:
            self.results.runs.append(one)
            print(
                f"{one.repeat + 1}/{self._plan.repeats} {one.network} {one.contender}:"
                f" {one.images:,} images in {one.whole_s:.2f} s,"
                f" {one.work_rate:,.0f} images/s without the start",
                file=sys.stderr,
                flush=True,
            )
