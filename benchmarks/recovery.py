"""`python -m benchmarks.recovery`: time until another process takes over lost work.

Hangtag with its default timeouts and plain Celery get the same faults. Times start at the fault.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from statistics import median

import msgspec
import redis
from redis.exceptions import RedisError

from benchmarks.contenders import celery_alone
from benchmarks.environment import machine
from benchmarks.report.tables import grouped, markdown
from shared import keys
from shared.errors import Exit
from tests.nemesis import checker
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs.claims import Held, catch, claims, wait_until_taken_over
from tests.support.processes import procfs
from tests.support.processes.fleet import Fleet, Producer, Worker, wait_for
from tests.support.servers.redis_server import RedisServer, server_binaries

IMAGES = 4_000
LIMIT_S = 60.0
OUTAGE_S = 1.0
#: Celery's default is an hour; longer timeouts only add waiting. Its default poll for overdue tasks
#: is every 100 s (unacked_restore_interval 10 s, each tenth time).
WAITS = ((10, ""), (10, "1"))
DEFAULT_VISIBLE_S, DEFAULT_SWEEP_S = 3600, 100


class Figure(msgspec.Struct):
    """One fault of one contender. `seconds` are those of the repeats that recovered."""

    fault: str
    contender: str
    seconds: list[float] = []
    lost: list[int] = []  #: tasks, or wrong rows, of each repeat
    of: int = 0  #: rows or tasks of a repeat


class Scene:
    """A job in progress on two workers."""

    def __init__(self, fleet: Fleet, images: Gallery, folder: Path) -> None:
        self.fleet, self._images = fleet, images
        self.workers = [fleet.worker(), fleet.worker()]
        self._output = folder / "out.csv"
        arguments = ("classify", FOLDER, "-o", str(self._output), "--quiet")
        self.producer: Producer = fleet.producer(*arguments, cwd=images.cwd)
        self.producer.wait_until_done(IMAGES // 8)

    def stop_busy_child(self, worker: Worker) -> Held:
        """Stop a child of this worker while it holds a claim."""
        return catch(self.fleet.client, worker.children)

    def faulty(self) -> int:
        """The number of lost, duplicate, wrong or moved rows of the finished job."""
        code = self.producer.wait()
        assert code == Exit.OK, self.producer.story
        return faulty(self._images.table, self._output.read_bytes())


def faulty(expected: bytes, table: bytes) -> int:
    """The number of rows that differ from those of an undisturbed run."""
    return sum(checker.compare(expected, table))


def child_killed(scene: Scene) -> float:
    """Kill a pool child during a batch."""
    held = scene.stop_busy_child(scene.workers[0])
    started = time.monotonic()
    procfs.kill(held.child)
    wait_until_taken_over(scene.fleet.client, held, LIMIT_S)
    return time.monotonic() - started


def worker_killed(scene: Scene) -> float:
    """Kill a worker's parent and children."""
    held = scene.stop_busy_child(scene.workers[0])
    started = time.monotonic()
    scene.workers[0].kill()
    wait_until_taken_over(scene.fleet.client, held, LIMIT_S)
    return time.monotonic() - started


def server_restarted(scene: Scene) -> float:
    """Kill the server and restart it empty after a second, which the figure includes."""
    held = scene.stop_busy_child(scene.workers[0])
    started = time.monotonic()
    scene.fleet.server.kill()
    procfs.go_on(held.child)
    time.sleep(OUTAGE_S)
    scene.fleet.server.start()
    wait_for_work(scene.fleet.client, scene.producer)
    return time.monotonic() - started


def server_emptied(scene: Scene) -> float:
    """Empty the server with FLUSHALL."""
    held = scene.stop_busy_child(scene.workers[0])
    started = time.monotonic()
    scene.fleet.client.flushall()
    procfs.go_on(held.child)
    wait_for_work(scene.fleet.client, scene.producer)
    return time.monotonic() - started


def wait_for_work(client: redis.Redis, producer: Producer) -> None:
    """Wait for a claim or a finished batch after the loss of all state.

    Raises AssertionError if the producer ends.
    """

    def resumed() -> bool:
        assert producer.running, f"the producer ended\n{producer.story}"
        try:
            return any(client.scan_iter(keys.job("*", "done"))) or bool(claims(client))
        except RedisError:
            return False

    wait_for("work after the fault", resumed, LIMIT_S, poll_s=0.002)


FAULTS: dict[str, Callable[[Scene], float]] = {
    "a pool child is killed": child_killed,
    "a whole worker is killed": worker_killed,
    f"the server is killed, back empty after {OUTAGE_S:.0f} s": server_restarted,
    "the server is emptied (FLUSHALL)": server_emptied,
}
CHILD, WORKER, RESTARTED, EMPTIED = FAULTS


@contextmanager
def scene(images: Gallery) -> Iterator[Scene]:
    """A fleet with the default timeouts."""
    with (
        tempfile.TemporaryDirectory() as folder,
        redirect_stdout(io.StringIO()),  # only tests need the processes' output
        RedisServer(server_binaries()[0]) as server,
        Fleet(server, XDG_STATE_HOME=folder) as fleet,
    ):
        yield Scene(fleet, images, Path(folder))


def hangtag(images: Gallery, repeats: int) -> Iterator[Figure]:
    """Every fault; repeats run in sequence."""
    for name, fault in FAULTS.items():
        figure = Figure(name, "Hangtag", of=IMAGES)
        for _ in range(repeats):
            with scene(images) as one:
                figure.seconds.append(fault(one))
                figure.lost.append(one.faulty())
        yield figure


def celery(repeats: int) -> Iterator[Figure]:
    """Every fault for plain Celery; repeats run in parallel, since they mostly wait."""
    late = "Celery, acks_late"
    yield _timed(CHILD, late, repeats, lambda: celery_alone.child_killed(reject=False))
    reject = f"{late}, task_reject_on_worker_lost"
    yield _timed(CHILD, reject, repeats, lambda: celery_alone.child_killed(reject=True))
    for visible_s, sweep_s in WAITS:
        swept = f", swept every {sweep_s} s" if sweep_s else ""
        contender = f"{late}, visibility_timeout {visible_s} s{swept}"
        act = partial(celery_alone.worker_killed, visible_s, sweep_s)
        yield _timed(WORKER, contender, repeats, act)
    restart, empty = celery_alone.server_restarted, celery_alone.server_emptied
    for fault, count_lost in ((RESTARTED, restart), (EMPTIED, empty)):
        yield Figure(fault, late, [], _in_parallel(count_lost, repeats), celery_alone.TASKS)


def _timed(fault: str, contender: str, repeats: int, act: Callable[[], float | None]) -> Figure:
    found = _in_parallel(act, repeats)
    lost = [int(seconds is None) for seconds in found]
    return Figure(fault, contender, [s for s in found if s is not None], lost, 1)


def _in_parallel(act: Callable[[], object], repeats: int) -> list:  # type: ignore[type-arg]
    with ThreadPoolExecutor(repeats) as pool:
        return [future.result() for future in [pool.submit(act) for _ in range(repeats)]]


def by_default(figures: Sequence[Figure]) -> str:
    """Celery's default redelivery time, computed from the measured times."""
    swept = [(visible_s, f"{visible_s} s, swept every {s} s") for visible_s, s in WAITS if s]
    beyond = [
        median(figure.seconds) - visible_s
        for visible_s, timeouts in swept
        for figure in figures
        if figure.seconds and figure.contender.endswith(timeouts)
    ]
    if not beyond:
        return ""
    return (
        f"With Celery's defaults (visibility_timeout {DEFAULT_VISIBLE_S:,} s, swept every "
        f"{DEFAULT_SWEEP_S} s) it would be {DEFAULT_VISIBLE_S:,} to "
        f"{DEFAULT_VISIBLE_S + DEFAULT_SWEEP_S + max(beyond):,.0f} s, computed."
    )


def table(figures: Iterable[Figure]) -> str:
    head = ("fault", "contender", "taken over after, s: median (range)", "lost")
    return markdown(head, grouped(map(_row, figures)))


def _row(figure: Figure) -> list[str]:
    each = figure.seconds
    seconds = f"{median(each):.2f} ({min(each):.2f} to {max(each):.2f})" if each else "never"
    unit = "rows" if figure.contender == "Hangtag" else "tasks"
    lost = " to ".join(map(str, sorted({min(figure.lost), max(figure.lost)})))
    return [figure.fault, figure.contender, seconds, f"{lost} of {figure.of:,} {unit}"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    note, figures = machine.busy(), list[Figure]()
    with tempfile.TemporaryDirectory() as folder:
        images = gallery.make(Path(folder), IMAGES)
        for run in (hangtag(images, given.repeats), celery(given.repeats)):
            for figure in run:
                figures.append(figure)
                print(" | ".join(_row(figure)), file=sys.stderr, flush=True)
    figures.sort(key=lambda figure: list(FAULTS).index(figure.fault))
    print(f"{machine.place()}\n\n{table(figures)}\n\n{by_default(figures)}\n{note}")
    if given.json:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(figures)))


if __name__ == "__main__":
    main()
