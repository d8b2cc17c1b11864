"""`python -m benchmarks.scaling`: speedup with more workers, and the limits of the queue.

Workers of one child each, whose model sleeps a fixed time for each message, so that two cores are
not the bottleneck; then messages without work (one empty file each), which measure only the queue.
Both again through a TCP proxy, without and with a delay.
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
from benchmarks.measure.queue_run import CHILD, PARENT, PRODUCER, SERVER, SLEEP_S, Run, run
from benchmarks.report.queue_limits import LEAST_S, fastest_table, limits_table, spent_s
from benchmarks.report.tables import grouped, markdown
from benchmarks.workloads import images

WORKERS, WAYS = (1, 2, 4, 8), (SOCKET, "0", "2")
SLEEP_IMAGES, MESSAGES_PER_WORKER = 64, 100
EMPTY_MESSAGES = 2_000
#: The cost of an image is the difference of two jobs, which excludes the fixed cost of a job.
FULL_IMAGES = (20_000, 60_000)
MOST_PAIRS = 10


def empty_files(count: int) -> Path:
    """A folder of empty files: rows `unreadable`, whose messages have no content."""
    folder = DATA / f"empty-{count}"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number:05}.png").touch()
    return folder


def sleeping(ways: Sequence[str], workers: Sequence[int]) -> Iterator[Run]:
    """Messages of SLEEP_IMAGES images, the same number for each worker."""
    for way in ways:
        for count in workers:
            total = count * MESSAGES_PER_WORKER * SLEEP_IMAGES
            yield run("sleep", way, count, images.make(total), total, SLEEP_IMAGES)


def empty(ways: Sequence[str], workers: Sequence[int]) -> Iterator[Run]:
    """Messages of one empty file."""
    folder = empty_files(EMPTY_MESSAGES)
    for way in ways:
        for count in workers:
            yield run("empty", way, count, folder, EMPTY_MESSAGES, 1)


def full() -> Iterator[Run]:
    """Messages of the default size: pairs of a short and a long job, until their difference is
    large enough to measure."""
    pairs: list[tuple[Run, Run]] = []
    while len(pairs) < MOST_PAIRS and spent_s(PRODUCER, pairs) < LEAST_S:
        few, many = (run("full", SOCKET, 2, images.make(n), n, 2048) for n in FULL_IMAGES)
        yield from (few, many)
        pairs.append((few, many))


def sleeping_table(runs: Sequence[Run]) -> str:
    """Images/s, and the ratios to the same number of single workers and to sleep alone."""
    head = (
        *("route to Redis", "round trip, ms", "workers", "images/s", "of single workers"),
        "of sleep alone",
    )
    alone = {r.way: r.images_per_s for r in runs if r.workers == 1}
    return markdown(head, grouped(_sleeping(r, alone[r.way]) for r in runs))


def _sleeping(one: Run, alone: float) -> list[str]:
    efficiency = one.images_per_s / (one.workers * alone)
    asleep = one.messages_per_s * SLEEP_S / one.workers
    return [*_place(one), f"{one.images_per_s:,.0f}", f"{efficiency:.3f}", f"{asleep:.3f}"]


def empty_table(runs: Sequence[Run]) -> str:
    """Messages/s, and the processor time of each part for one message."""
    parts = (PRODUCER, SERVER, PARENT, CHILD)
    costs = (f"{part}, ms" for part in parts)
    head = ("route to Redis", "round trip, ms", "workers", "messages/s", *costs)
    return markdown(head, grouped(_empty(r, parts) for r in runs))


def _empty(one: Run, parts: Sequence[str]) -> list[str]:
    each = [f"{1000 * one.cpu_s.get(part, 0.0) / one.messages:.2f}" for part in parts]
    return [*_place(one), f"{one.messages_per_s:,.0f}", *each]


def _place(one: Run) -> list[str]:
    return [formatted(one.way), f"{one.ping_ms:.2f}", str(one.workers)]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS)
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    if 1 not in given.workers:
        parser.error("--workers must have 1 among its values: the others are compared with it")
    note, runs = machine.busy(), list[Run]()
    for series in (sleeping(WAYS, given.workers), empty(WAYS, given.workers), full()):
        for one in series:
            runs.append(one)
            print(one, file=sys.stderr, flush=True)
    sleeps, empties, fulls = (
        [r for r in runs if r.what == what] for what in ("sleep", "empty", "full")
    )
    pairs = list(zip(fulls[::2], fulls[1::2], strict=True))
    tables = sleeping_table(sleeps), empty_table(empties), fastest_table(empties)
    print("\n\n".join([machine.place(), *tables, limits_table(empties, pairs), note]))
    if given.json:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(runs)))


if __name__ == "__main__":
    main()
