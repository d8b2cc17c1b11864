"""The limits of the queue: the throughput of one core of each part, and the measured maximum."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.environment.paths import ROOT, STORE
from benchmarks.environment.route import SOCKET, formatted
from benchmarks.measure.queue_run import PRODUCER, SERVER, Run
from benchmarks.report.tables import markdown
from benchmarks.workloads import images, networks
from benchmarks.workloads.networks import Network
from producer.job.job_options import KEPT_LABELS

#: Minimum of the producer's measured processor time, which has a resolution of 10 ms.
LEAST_S = 1.0


class Limit(NamedTuple):
    """The throughput of one core of a part, per second."""

    messages: float  #: without work, in the cheapest run
    images: float  #: in messages of the default size


def spent_s(part: str, pairs: Sequence[tuple[Run, Run]]) -> float:
    """Processor time for the additional images of the second job of each pair."""
    return math.fsum(many.cpu_s[part] - few.cpu_s[part] for few, many in pairs)


def limits(empties: Sequence[Run], pairs: Sequence[tuple[Run, Run]]) -> dict[str, Limit]:
    """The limits of producer and server. With more workers a message is cheaper, since a poll of
    Redis returns more of them: the cheapest row over the unix socket counts."""
    near = [run for run in empties if run.way == SOCKET]
    more = sum(many.images - few.images for few, many in pairs)
    return {
        part: Limit(
            max(run.messages / run.cpu_s[part] for run in near), more / spent_s(part, pairs)
        )
        for part in (PRODUCER, SERVER)
    }


def limits_table(empties: Sequence[Run], pairs: Sequence[tuple[Run, Run]]) -> str:
    """The limits, and the number of children they feed in messages of 2,048 images of 28x28."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HANGTAG_STORE": str(STORE)}
    found = [networks.dense(environment), networks.shipped()]
    children = {network.name: child_rate(network) for network in found}
    fed = (f"= children of {n} ({rate:,.0f} images/s)" for n, rate in children.items())
    head = (
        *("limit", "messages/s without work (cheapest row, unix socket)"),
        *("images/s in messages of 2,048", *fed, "measured over, s"),
    )
    rows = (
        [
            f"one core of {part}",
            f"{limit.messages:,.0f}",
            f"{limit.images:,.0f}",
            *(f"{limit.images / rate:,.1f}" for rate in children.values()),
            f"{spent_s(part, pairs):.2f}",
        ]
        for part, limit in limits(empties, pairs).items()
    )
    return markdown(head, rows)


def fastest(empties: Sequence[Run]) -> list[Run]:
    """For each route the run with the most messages a second, which saturates the system."""
    ways = dict.fromkeys(run.way for run in empties)
    return [
        max((run for run in empties if run.way == way), key=lambda run: run.messages_per_s)
        for way in ways
    ]


def fastest_table(empties: Sequence[Run]) -> str:
    """The most messages a second over the rows, and their number of workers."""
    head = ("route to Redis", "most messages/s without work", "workers")
    rows = (
        [formatted(run.way), f"{run.messages_per_s:,.0f}", str(run.workers)]
        for run in fastest(empties)
    )
    return markdown(head, rows)


_IMAGES, _REPEATS = 2048, 5


def child_rate(network: Network) -> float:
    """Images per second of processor time, the best of `_REPEATS` runs."""
    from shared import runtimes
    from worker.classify.classify_batch import classified
    from worker.classify.process_state import LoadedModel
    from worker.runtimes.load_runtime import load

    card = network.card
    artifact = (network.folder / runtimes.find("litert").artifact).read_bytes()
    model = LoadedModel(card, load("litert", card, artifact))
    paths = sorted(images.make(_IMAGES).rglob("*.png"))
    files = [path.read_bytes() for path in paths]
    best = 0.0
    for _ in range(_REPEATS):
        started = time.process_time()
        classified(model, files, KEPT_LABELS)
        best = max(best, len(files) / (time.process_time() - started))
    return best
