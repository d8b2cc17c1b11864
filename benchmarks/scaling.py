"""`python -m benchmarks.scaling`: what more workers bring, and where the queue itself ends.

Workers of one child each, whose model sleeps a fixed time for each message, so that two cores do
not hide the queue; then messages without work (one empty file each), which cost only what the queue
costs. Both again through a TCP proxy, without and with a longer way to Redis.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from statistics import median

import msgspec
import redis

from benchmarks import machine, networks, pictures
from benchmarks.child_rate import child_rate
from benchmarks.place import BEGAN, DATA, MARK, ROOT, STORE, TRACE
from benchmarks.report import markdown
from benchmarks.sleeping_app import SLEEP
from benchmarks.watch import Watch
from tests.fleet import Fleet
from tests.server import RedisServer, server_binaries

APP, TRACED = "benchmarks.sleeping_app", ("benchmarks.traced_classify",)
WORKERS = (1, 2, 4, 8)
SLEEP_S, SLEEP_IMAGES, MESSAGES_PER_WORKER = 0.1, 64, 100
EMPTY_MESSAGES = 2_000
#: The cost of one more picture is between two jobs: what a job costs anyway is in both.
FULL_IMAGES = (20_000, 60_000)
PINGS = 200
#: The way to Redis: "" is its unix socket, a number the milliseconds that a proxy adds.
SOCKET, WAYS = "", ("", "0", "2")
PRODUCER, SERVER, PARENT, CHILD = "producer", "Redis server", "worker parent", "worker child"


class Run(msgspec.Struct):
    """One job. `cpu_s` is processor time by role, from before the job to after it."""

    what: str
    way: str
    workers: int
    images: int
    messages: int
    steady_s: float  #: between the first and the last result
    share: float  #: of the messages, that came in between
    cpu_s: dict[str, float]
    ping_ms: float

    @property
    def images_per_s(self) -> float:
        """Between the first and the last result."""
        return self.images * self.share / self.steady_s

    @property
    def messages_per_s(self) -> float:
        """The same of messages."""
        return self.messages * self.share / self.steady_s


@contextmanager
def way_to(server: RedisServer, way: str) -> Iterator[str]:
    """The URL by which workers and producer reach the server."""
    if way == SOCKET:
        yield server.url
        return
    command = [sys.executable, "-m", "benchmarks.delay_proxy", str(server.socket), way]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout is not None
        yield f"redis://127.0.0.1:{int(proxy.stdout.readline())}/0"
        proxy.kill()


def ping_ms(url: str) -> float:
    """The median of round trips, in ms."""
    with redis.Redis.from_url(url) as client:
        times = []
        for _ in range(PINGS):
            began = time.perf_counter()
            client.ping()
            times.append(time.perf_counter() - began)
    return median(times) * 1000


def run(what: str, way: str, workers: int, folder: Path, images: int, batch: int) -> Run:
    """One job on a fleet of its own."""
    sleep_s = SLEEP_S if what == "sleep" else 0.0
    with (
        tempfile.TemporaryDirectory(prefix="htb-") as place,
        redirect_stdout(StringIO()),  # what processes said is for tests
        RedisServer(server_binaries()[0]) as server,
        way_to(server, way) as url,
        Fleet(
            server,
            HANGTAG_REDIS_URL=url,
            HANGTAG_BATCH_IMAGES=str(batch),
            HANGTAG_STORE=str(STORE),
            XDG_STATE_HOME=place,
            **{SLEEP: str(sleep_s), MARK: str(server.folder)},
        ) as fleet,
    ):
        for one in [fleet.worker(1, APP, ready=False) for _ in range(workers)]:
            fleet.wait_ready(one)
        trip = ping_ms(url)
        trace, out = Path(place, "trace"), Path(place, "out.csv")
        settings = {BEGAN: str(time.monotonic()), TRACE: str(trace)}
        arguments = ("classify", str(folder), "-o", str(out), "--quiet")
        with Watch(str(server.folder)) as watch:
            producer = fleet.producer(*arguments, cwd=Path(place), program=TRACED, **settings)
            assert producer.wait(600.0) in (0, 3), producer.story
        seen = json.loads(trace.read_text())
        steady_s = seen["last_s"] - seen["first_s"]
        messages = -(-images // batch)
        cpu = watch.cpu_s
    return Run(what, way, workers, images, messages, steady_s, seen["share"], cpu, trip)


def empty_files(count: int) -> Path:
    """A folder of files without a byte: rows `unreadable`, whose messages carry nothing."""
    folder = DATA / f"empty-{count}"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number:05}.png").touch()
    return folder


def asleep(ways: Sequence[str], workers: Sequence[int]) -> Iterator[Run]:
    """Messages of SLEEP_IMAGES pictures, as many for each worker."""
    for way in ways:
        for count in workers:
            images = count * MESSAGES_PER_WORKER * SLEEP_IMAGES
            yield run("sleep", way, count, pictures.make(images), images, SLEEP_IMAGES)


def empty(ways: Sequence[str], workers: Sequence[int]) -> Iterator[Run]:
    """Messages of one empty file."""
    folder = empty_files(EMPTY_MESSAGES)
    for way in ways:
        for count in workers:
            yield run("empty", way, count, folder, EMPTY_MESSAGES, 1)


def full() -> Iterator[Run]:
    """Messages as people send them, which nobody has to think about."""
    for images in FULL_IMAGES:
        yield run("full", SOCKET, 2, pictures.make(images), images, 2048)


def sleeping_table(runs: Sequence[Run]) -> str:
    """Images/s and the share of what as many single workers would do."""
    head = (
        *("way to Redis", "round trip, ms", "workers", "images/s", "messages/s"),
        *("of as many alone", "of sleep alone"),
    )
    alone = {r.way: r.images_per_s for r in runs if r.workers == 1}
    return markdown(head, (_sleeping(r, alone[r.way]) for r in runs))


def _sleeping(one: Run, alone: float) -> list[str]:
    efficiency = one.images_per_s / (one.workers * alone)
    awake = one.messages_per_s * SLEEP_S / one.workers
    rates = f"{one.images_per_s:,.0f}", f"{one.messages_per_s:.1f}"
    return [*_place(one), *rates, f"{efficiency:.3f}", f"{awake:.3f}"]


def empty_table(runs: Sequence[Run]) -> str:
    """Messages/s, and the processor time of each part for one."""
    parts = (PRODUCER, SERVER, PARENT, CHILD)
    costs = (f"{part}, ms" for part in parts)
    head = ("way to Redis", "round trip, ms", "workers", "messages/s", *costs)
    return markdown(head, (_empty(r, parts) for r in runs))


def _empty(one: Run, parts: Sequence[str]) -> list[str]:
    each = [f"{1000 * one.cpu_s.get(part, 0.0) / one.messages:.2f}" for part in parts]
    return [*_place(one), f"{one.messages_per_s:,.0f}", *each]


def _place(one: Run) -> list[str]:
    way = "unix socket" if one.way == SOCKET else f"TCP proxy, {one.way} ms"
    return [way, f"{one.ping_ms:.2f}", str(one.workers)]


def meaning(empties: Sequence[Run], few: Run, many: Run) -> str:
    """What the limits are in workers, for messages of 2,048 pictures of 28x28."""
    first = next(r for r in empties if r.way == SOCKET and r.workers == 1)
    rates = {part: first.messages / first.cpu_s[part] for part in (PRODUCER, SERVER)}
    more = many.images - few.images
    filled = {part: more / (many.cpu_s[part] - few.cpu_s[part]) for part in rates}
    found = [networks.dense(_environment()), networks.shipped()]
    children = {network.name: child_rate(network) for network in found}
    fed = (f"= children of {n} ({rate:,.0f} images/s)" for n, rate in children.items())
    head = ("limit", "messages/s without work", "images/s in messages of 2,048", *fed)
    rows = (
        [
            f"one core of {part}",
            f"{rates[part]:,.0f}",
            f"{filled[part]:,.0f}",
            *(f"{filled[part] / rate:,.1f}" for rate in children.values()),
        ]
        for part in rates
    )
    return markdown(head, rows)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "HANGTAG_STORE": str(STORE)}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS)
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    if 1 not in given.workers:
        parser.error("--workers must have 1 among them, which all others are compared with")
    note, runs = machine.busy(), list[Run]()
    for maker in (asleep(WAYS, given.workers), empty(WAYS, given.workers), full()):
        for one in maker:
            runs.append(one)
            print(one, file=sys.stderr, flush=True)
    sleeps, empties = ([r for r in runs if r.what == what] for what in ("sleep", "empty"))
    parts = (sleeping_table(sleeps), empty_table(empties), meaning(empties, *runs[-2:]), note)
    print("\n\n".join([machine.place(), *parts]))
    if given.json:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(runs)))


if __name__ == "__main__":
    main()
