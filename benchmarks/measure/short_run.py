"""The short configuration, whose ratios the nightly run compares with the recorded ones."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.contenders.contenders import Contenders
from benchmarks.report.figures import rounded
from benchmarks.report.record import ShortRatio
from benchmarks.report.results import Contender, Results, work
from benchmarks.workloads import images
from benchmarks.workloads.networks import DENSE, SHIPPED, Network

NETWORKS = (DENSE, SHIPPED)
#: A job of a few seconds; the repeats make its median steady.
IMAGES, REPEATS = 6_000, 5
#: A ratio that has moved by more than this share is reported.
TOLERANCE = 0.25


def measure(do: Contenders, network: Network) -> ShortRatio:
    """Bare loop and Hangtag in turns, beside one warm stack."""
    load, results = images.training(IMAGES), Results()
    with do.warm_stack(network, load):
        for repeat in range(REPEATS):
            do.repeat = repeat
            results.runs.append(do.bare(network, load))
            results.runs.append(do.hangtag(Contender.WARM, network, load))
    both = ((Contender.WARM, work), (Contender.BARE, work))
    ratio = results.ratio(network.name, load.images, *both)
    assert ratio is not None
    return ShortRatio(network.name, load.images, REPEATS, rounded(ratio))


def changes(found: Sequence[ShortRatio], recorded: Sequence[ShortRatio]) -> dict[str, float]:
    """The relative change of the ratio of each network that both measured alike."""
    known = {(one.network, one.images, one.repeats): one.ratio for one in recorded}
    return {
        one.network: one.ratio / known[key] - 1
        for one in found
        if (key := (one.network, one.images, one.repeats)) in known
    }


def moved(change: float) -> bool:
    """Whether a relative change is beyond the tolerance, in either direction."""
    return abs(change) > TOLERANCE
