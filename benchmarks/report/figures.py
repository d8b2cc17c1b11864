"""The figures of a run: medians over the repeats, rounded as they are recorded."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from benchmarks.report.results import (
    Case,
    Contender,
    Measured,
    Results,
    Value,
    middle,
    whole,
    work,
)

MB = 1e6
#: The processes of Hangtag whose processor time grows with the images.
ROLES = ("producer", "worker child")
_DIGITS = 4


class Figure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One contender with one network and number of images. Rates are images/s."""

    network: str
    contender: Contender
    images: int
    repeats: int
    work: float  #: without the command's own start
    whole: float
    work_x: float | None = None  #: to the bare loop with the same images, within a repeat
    whole_x: float | None = None
    together_mb: float = 0.0  #: all processes at one moment
    cpu_us: dict[str, float] = {}  #: role -> processor time per image

    @property
    def case(self) -> Case:
        """What was measured."""
        return Case(self.network, self.contender, self.images)


def figures(results: Results) -> list[Figure]:
    """A figure for each case, in the order of the tables."""
    return [_figure(results, case) for case in results.cases()]


def find(found: Sequence[Figure], network: str, contender: Contender, images: int) -> Figure | None:
    """The figure of one case; None if it was not measured."""
    case = Case(network, contender, images)
    return next((one for one in found if one.case == case), None)


def ratios(results: Results, images: int) -> dict[str, float]:
    """The ratios between contenders that pages quote, within a repeat."""
    names = {
        "warm / Keras without its start": Contender.WARM,
        "fp32 / Keras without its start": Contender.FP32,
    }
    found = {
        f"{network}: {name}": results.ratio(
            network, images, (contender, whole), (Contender.KERAS, work)
        )
        for network in dict.fromkeys(run.network for run in results.runs)
        for name, contender in names.items()
    }
    return {name: rounded(value) for name, value in found.items() if value is not None}


def rounded(value: float) -> float:
    """Four significant digits, more than the repeats agree on."""
    return float(f"{value:.{_DIGITS}g}")


def _figure(results: Results, case: Case) -> Figure:
    runs = results.of(case)

    def median(value: Value) -> float:
        return rounded(middle(map(value, runs)) or 0.0)

    def beside(rate: Value) -> float | None:
        both = ((case.contender, rate), (Contender.BARE, rate))
        return _or_none(results.ratio(case.network, case.images, *both))

    return Figure(
        network=case.network,
        contender=case.contender,
        images=case.images,
        repeats=len(runs),
        work=median(work),
        whole=median(whole),
        work_x=beside(work),
        whole_x=beside(whole),
        together_mb=rounded(max(run.together for run in runs) / MB),
        cpu_us={role: _cpu_us(runs, role) for role in ROLES if role in runs[0].cpu_s},
    )


def _or_none(value: float | None) -> float | None:
    return None if value is None else rounded(value)


def _cpu_us(runs: Sequence[Measured], role: str) -> float:
    return rounded(middle(1e6 * run.cpu_s.get(role, 0.0) / run.images for run in runs) or 0.0)
