"""`make bench-scaling`: speedup with more workers, and the most messages that the queue carries.

Workers of one child each, whose model sleeps a fixed time for each message, so that two cores are
not the bottleneck; then messages without work (one empty file each), which measure only the queue.
Both again through a TCP proxy with a delay.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from benchmarks.environment import machine
from benchmarks.environment.paths import DATA
from benchmarks.environment.route import SOCKET, formatted
from benchmarks.measure.queue_run import Run, run
from benchmarks.report.tables import grouped, markdown
from benchmarks.workloads import images

WORKERS, ROUTES = (1, 8), (SOCKET, "2")
SLEEP_S, SLEEP_IMAGES, MESSAGES_PER_WORKER = 0.1, 64, 100
EMPTY_WORKERS, EMPTY_MESSAGES = (1, 2, 4, 8), 2_000


def empty_files(count: int) -> Path:
    """A folder of empty files: rows `unreadable`, whose messages have no content."""
    folder = DATA / f"empty-{count}"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number:05}.png").touch()
    return folder


def sleeping() -> Iterator[Run]:
    """Messages of SLEEP_IMAGES images, the same number for each worker."""
    for route in ROUTES:
        for workers in WORKERS:
            total = workers * MESSAGES_PER_WORKER * SLEEP_IMAGES
            yield run(SLEEP_S, route, workers, images.make(total), total, SLEEP_IMAGES)


def empty() -> Iterator[Run]:
    """Messages of one empty file."""
    folder = empty_files(EMPTY_MESSAGES)
    for route in ROUTES:
        for workers in EMPTY_WORKERS:
            yield run(0.0, route, workers, folder, EMPTY_MESSAGES, 1)


def sleeping_table(runs: Sequence[Run]) -> str:
    """Images/s, and the ratios to the same number of single workers and to sleep alone."""
    head = (
        *("route to Redis", "round trip, ms", "workers", "images/s", "of single workers"),
        "of sleep alone",
    )
    alone = {one.route: one.images_per_s for one in runs if one.workers == 1}
    return markdown(head, grouped(_cells(one, alone[one.route]) for one in runs))


def _cells(one: Run, alone: float) -> list[str]:
    efficiency = one.images_per_s / (one.workers * alone)
    asleep = one.messages_per_s * SLEEP_S / one.workers
    return [
        formatted(one.route), f"{one.ping_ms:.2f}", str(one.workers), f"{one.images_per_s:,.0f}",
        f"{efficiency:.3f}", f"{asleep:.3f}",
    ]  # fmt: skip


def most_messages(runs: Sequence[Run]) -> str:
    """The most messages a second of each route, at any number of workers."""
    each = (
        f"{max(one.messages_per_s for one in runs if one.route == route):,.0f} by "
        f"{formatted(route)}"
        for route in dict.fromkeys(one.route for one in runs)
    )
    return f"Messages without work, one empty file each: at most a second {', '.join(each)}."


def main() -> None:
    """Print the table and the limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    note, sleeps, empties = machine.busy(), list[Run](), list[Run]()
    for runs, series in ((sleeps, sleeping()), (empties, empty())):
        for one in series:
            runs.append(one)
            print(one, file=sys.stderr, flush=True)
    print("\n\n".join([machine.place(), sleeping_table(sleeps), most_messages(empties), note]))
    if given.json:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode([*sleeps, *empties])))


if __name__ == "__main__":
    main()
