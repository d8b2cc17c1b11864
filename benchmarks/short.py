"""`make bench-smoke`: the short configuration beside the recorded one.

Exit code 1: a ratio to the bare loop has moved by more than 25 %, twice in a row. On a processor
other than the recorded one, or if the recorded run was not idle and complete, it reports and does
not fail. The first line is for the nightly page.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

from benchmarks.contenders.contenders import Contenders
from benchmarks.environment import machine
from benchmarks.measure import local_stack
from benchmarks.measure.short_run import NETWORKS, TOLERANCE, changes, measure, moved
from benchmarks.report import record
from benchmarks.report.record import Record, ShortRatio
from benchmarks.workloads import networks
from producer.machine.machine_resources import cores


def main() -> int:
    """Print the ratios and their changes; return the exit code."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    known = record.read()
    with local_stack.own() as (runtime, _):
        do = Contenders(runtime, cores())
        found = [_measured(do, name, known) for name in NETWORKS]
    print(*lines(found, known, machine.cpu_model()), sep="\n")
    return int(fails(found, known, machine.cpu_model()))


def fails(found: Sequence[ShortRatio], known: Record, processor: str) -> bool:
    """Whether a ratio has moved on the recorded processor."""
    comparable = not _obstacle(known, processor)
    return comparable and any(map(moved, changes(found, known.short).values()))


def lines(found: Sequence[ShortRatio], known: Record, processor: str) -> Iterator[str]:
    """One line with all ratios, then the reason of a verdict."""
    change = changes(found, known.short)
    yield "warm beside the bare loop: " + ", ".join(
        f"{one.network} {one.ratio:.2f} ({_words(change.get(one.network))})" for one in found
    )
    if obstacle := _obstacle(known, processor):
        yield f"{obstacle}: reported, no failure"
    elif fails(found, known, processor):
        yield (
            f"a ratio has moved by more than {TOLERANCE:.0%} since {known.commit}: find the cause, "
            "or run `make bench` and commit its figures"
        )


def _obstacle(known: Record, processor: str) -> str:
    """The reason why ratios are not compared; empty if there is none."""
    if processor != known.processor:
        return f"recorded on {known.processor}, this is {processor}"
    return "the recorded run was not complete, or not on an idle machine" if known.warning else ""


def _words(change: float | None) -> str:
    return "not recorded" if change is None else f"{change:+.0%}"


def _measured(do: Contenders, name: str, known: Record) -> ShortRatio:
    """The ratio of one network; a second measurement if a disturbance may have moved the first."""
    network = networks.find(name, do.environment)
    first = measure(do, network)
    return measure(do, network) if fails([first], known, machine.cpu_model()) else first


if __name__ == "__main__":
    sys.exit(main())
