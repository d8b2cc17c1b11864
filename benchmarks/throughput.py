"""`make bench`: every contender on the same images in one run, in turns.

A complete run is recorded in `results.json`, and the figures of the pages are written from it.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.environment import machine
from benchmarks.measure import local_stack
from benchmarks.measure.command import Failed
from benchmarks.measure.rounds import NAMES, Plan, Rounds
from benchmarks.report import blocks, pages, record
from benchmarks.report.figures import figures, ratios
from benchmarks.report.goals import LARGE, goals
from benchmarks.report.record import Record, Version
from benchmarks.report.results import Contender, Results
from benchmarks.workloads import images
from benchmarks.workloads.networks import DENSE, SHIPPED, Network
from producer.machine.machine_resources import cores
from shared.errors import Exit
from tests.steps import inputs

NETWORKS = (DENSE, SHIPPED)
REPEATS = 3
#: Of plain Celery, which takes a message for each.
FEW_IMAGES = 2_000


def main() -> int:
    """Print the tables; a complete run is recorded, --json stores every measurement.

    Exit code 1 after a contender that had to finish, or a table of Hangtag with other bytes.
    """
    given = _parser().parse_args()
    plan = Plan(
        given.only, given.networks, given.images, given.few, given.large, given.repeats,
        given.workers,
    )  # fmt: skip
    load, commit = os.getloadavg()[0], inputs.commit()
    with local_stack.own() as (runtime, _):
        try:
            rounds = Rounds(plan, runtime)
            rounds.run()
        except Failed as error:
            print(f"throughput: {error}; nothing is recorded", file=sys.stderr)
            return Exit.SETUP
    found = _record(plan, rounds, load, commit)
    print(blocks.speed(found))
    if given.json:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(rounds.results.runs)))
    if found.complete or given.record:
        record.write(found)
        pages.write(found)
    return Exit.OK


def _record(plan: Plan, rounds: Rounds, load: float, commit: str) -> Record:
    return Record(
        date=datetime.now(UTC).date().isoformat(),
        commit=commit,
        command=_command(plan),
        processor=machine.cpu_model(),
        machine=machine.place(),
        packages=machine.packages(rounds.server, rounds.ray),
        workers=plan.workers,
        images=plan.images,
        few=plan.few,
        large=plan.large if "large" in plan.names else 0,
        repeats=plan.repeats,
        load=round(load, 2),
        complete=_is_complete(plan, rounds.results),
        versions=[_version(network, rounds) for network in rounds.networks],
        figures=figures(rounds.results),
        ratios=ratios(rounds.results, plan.images),
        short=rounds.short,
        goals=goals(rounds.results, plan.workers),
        notes=rounds.notes,
    )


def _command(plan: Plan) -> str:
    """The command that measures the same, without the paths of this machine."""
    words = ["python", "-m", "benchmarks.throughput", "--repeats", str(plan.repeats)]
    words += ["--images", str(plan.images)] if plan.images != images.ALL else []
    words += ["--few", str(plan.few)] if plan.few != FEW_IMAGES else []
    words += ["--large", str(plan.large)] if plan.large != LARGE else []
    words += ["--workers", str(plan.workers)] if plan.workers != cores() else []
    words += ["--networks", *plan.networks] if set(plan.networks) != set(NETWORKS) else []
    words += ["--only", *plan.names] if set(plan.names) != set(NAMES) else []
    return " ".join(words)


def _is_complete(plan: Plan, results: Results) -> bool:
    """Whether every contender of `make bench` finished, with its number of images, in at least as
    many repeats."""
    usual = plan.workers == cores() and plan.repeats >= REPEATS
    everything = usual and set(plan.names) == set(NAMES) and set(plan.networks) == set(NETWORKS)
    sizes = (plan.images, plan.few, plan.large) == (images.ALL, FEW_IMAGES, LARGE)
    return everything and sizes and set(Contender) <= {run.contender for run in results.runs}


def _version(network: Network, rounds: Rounds) -> Version:
    found = rounds.accuracies.get(network.name)
    return Version(
        network=network.name,
        sha256=network.sha256,
        accuracy=found and round(found.accuracy, 4),
        ece=found and round(found.ece, 5),
    )


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= images.ALL:
        raise argparse.ArgumentTypeError(f"there are 1 to {images.ALL:,} images")
    return count


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    add = parser.add_argument
    add("--images", type=_count, default=images.ALL)
    add("--few", type=_count, default=FEW_IMAGES, metavar="N", help="images of plain Celery")
    add("--large", type=int, default=LARGE, metavar="N", help="images of the dense network's"
        " large job: hard links to the others")  # fmt: skip
    add("--repeats", type=int, default=REPEATS)
    add("--workers", type=int, default=cores(), help="default: one per core")
    add("--networks", nargs="+", choices=NETWORKS, default=NETWORKS, metavar="NETWORK",
        help=", ".join(NETWORKS))  # fmt: skip
    add("--only", nargs="+", choices=NAMES, default=NAMES, metavar="PART", help=", ".join(NAMES))
    add("--json", type=Path, metavar="FILE", help="store every measurement")
    add("--record", action="store_true", help="write results.json and the pages after a partial"
        " run, too; they say that it was one")  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
