"""The goals, with pass or fail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from benchmarks.report.figures import MB
from benchmarks.report.results import Case, Contender, Results, whole, work
from benchmarks.workloads.images import ALL, TEST
from benchmarks.workloads.networks import DENSE, SHIPPED

LARGE = 1_000_000
#: The least ratio of warm Hangtag to the bare loop, by network and number of images.
LEAST_RATIOS = {(DENSE, ALL): 0.85, (DENSE, LARGE): 0.93, (SHIPPED, ALL): 0.95}
LEAST_BESIDE_KERAS = 4.0
MOST_DEMO_S = 5.0
MOST_CHILD_MB, MOST_GROWTH_MB = 100.0, 20.0
#: Of the shipped version in the bare loop: images/s and core with AVX512-VNNI.
LEAST_SHIPPED = 3_500.0


class Goal(msgspec.Struct, frozen=True):
    """A figure and its minimum, or its maximum."""

    what: str
    value: float | None
    limit: float
    at_most: bool = False
    unit: str = ""

    @property
    def reached(self) -> bool | None:
        """None if it was not measured."""
        if self.value is None:
            return None
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def __str__(self) -> str:
        limit = f"at {'most' if self.at_most else 'least'} {self.limit:g}{self.unit}"
        found = "not measured" if self.value is None else f"{self.value:.4g}{self.unit}"
        return f"{self.what}: {found}, {limit}"


def verdict(goals: Sequence[Goal]) -> str:
    """A sentence with the goals that were not reached."""
    missed = [goal for goal in goals if not goal.reached]
    if not missed:
        return f"The {len(goals)} goals are reached."
    return f"Of {len(goals)} goals missed: {'; '.join(map(str, missed))}."


def goals(results: Results, workers: int) -> list[Goal]:
    """Every goal. Ratios are medians of the ratios within a repeat."""
    return [
        *_beside_the_bare_loop(results),
        _shipped(results, workers),
        _beside_keras(results),
        _demo(results),
        *_memory(results),
    ]


def _beside_the_bare_loop(results: Results) -> Iterator[Goal]:
    for (network, images), least in LEAST_RATIOS.items():
        ratio = results.ratio(network, images, (Contender.WARM, work), (Contender.BARE, work))
        what = f"warm beside the bare loop, {network}, {images:,} images"
        yield Goal(what, ratio, least)


def _shipped(results: Results, workers: int) -> Goal:
    rate = results.median(Case(SHIPPED, Contender.BARE, ALL), work)
    what = "the bare loop, shipped, images/s and core"
    return Goal(what, rate and rate / workers, LEAST_SHIPPED)


def _beside_keras(results: Results) -> Goal:
    both = ((Contender.WARM, whole), (Contender.KERAS, work))
    what = "warm, whole command, beside Keras without its start, shipped"
    return Goal(what, results.ratio(SHIPPED, ALL, *both), LEAST_BESIDE_KERAS)


def _demo(results: Results) -> Goal:
    seconds = results.median(Case(SHIPPED, Contender.COLD, TEST), lambda run: run.whole_s)
    what = f"cold, the {TEST:,} test images of `make demo`, whole command"
    return Goal(what, seconds, MOST_DEMO_S, at_most=True, unit=" s")


def _memory(results: Results) -> Iterator[Goal]:
    hangtag = [r for r in results.runs if r.contender in (Contender.WARM, Contender.COLD)]
    children = [r.peaks["worker child"] / MB for r in hangtag if "worker child" in r.peaks]
    what = "peak memory of a worker child"
    yield Goal(what, max(children, default=None), MOST_CHILD_MB, at_most=True, unit=" MB")
    small, large = (_producer_mb(results, images) for images in (ALL // 10, ALL))
    more = large - small if large is not None and small is not None else None
    what = "peak memory of the producer beyond that with a tenth of the images"
    yield Goal(what, more, MOST_GROWTH_MB, at_most=True, unit=" MB")


def _producer_mb(results: Results, images: int) -> float | None:
    """The largest producer beside a warm stack."""
    runs = [r for r in results.runs if (r.contender, r.images) == (Contender.WARM, images)]
    return max((r.peaks["producer"] / MB for r in runs if "producer" in r.peaks), default=None)
