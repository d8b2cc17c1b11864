"""The goals, with pass or fail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from benchmarks.report.results import Contender, Results, whole, work

MB = 1e6


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
        verdict = {True: "pass", False: "FALL SHORT", None: "not measured"}[self.reached]
        value = "-" if self.value is None else f"{self.value:.2f}{self.unit}"
        sign = "<=" if self.at_most else ">="
        return f"{verdict:12}  {value:>9} {sign} {self.limit:g}{self.unit}  {self.what}"


def goals(results: Results) -> list[Goal]:
    """Every goal. Ratios are medians of the ratios within a repeat."""
    return [
        *_beside_the_bare_loop(results),
        *_beside_keras(results),
        *_memory(results),
        *_start(results),
    ]


def _beside_the_bare_loop(results: Results) -> Iterator[Goal]:
    for network in ("dense", "shipped"):
        for rate, how in ((work, "work, neither's start counted"), (whole, "whole commands")):
            ratio = results.ratio(network, (Contender.WARM, rate), (Contender.BARE, rate))
            yield Goal(f"warm beside the bare loop, {network} network, {how}", ratio, 0.85)


def _beside_keras(results: Results) -> Iterator[Goal]:
    ratio = results.ratio("dense", (Contender.WARM, whole), (Contender.KERAS, work))
    what = "warm, whole command, beside Keras without its start, dense network"
    yield Goal(what, ratio, 1.5)
    for network in ("dense", "shipped"):
        ratio = results.ratio(network, (Contender.COLD, whole), (Contender.KERAS, whole))
        yield Goal(f"cold beside Keras, {network} network, whole commands", ratio, 1.2)


def _memory(results: Results) -> Iterator[Goal]:
    hangtag = (Contender.WARM, Contender.COLD, Contender.COLD_SMALL)
    child = _largest(results, "worker child", hangtag)
    what = "peak memory of a worker child, either network"
    yield Goal(what, child, 120, at_most=True, unit=" MB")
    small = _largest(results, "producer", [Contender.WARM_SMALL])
    large = _largest(results, "producer", [Contender.WARM])
    more = large - small if large is not None and small is not None else None
    what = "peak memory of the producer beyond that with a tenth of the images"
    yield Goal(what, more, 20, at_most=True, unit=" MB")


def _start(results: Results) -> Iterator[Goal]:
    for network in ("dense", "shipped"):
        seconds = results.median(Contender.COLD_SMALL, network, lambda run: run.whole_s)
        runs = results.of(Contender.COLD_SMALL, network)
        images = runs[0].images if runs else 10_000
        what = f"cold, {images:,} images, {network} network, whole command"
        yield Goal(what, seconds, 8, at_most=True, unit=" s")


def _largest(results: Results, role: str, of: Sequence[Contender]) -> float | None:
    """The largest process of a role, in MB."""
    found = [r.peaks[role] for r in results.runs if r.contender in of and role in r.peaks]
    return max(found) / MB if found else None
