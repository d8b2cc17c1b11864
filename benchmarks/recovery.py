"""`python -m benchmarks.recovery`: how long until work that was lost is in other hands.

Hangtag with the times that people run, and Celery alone with its own redelivery, through the same
faults on the same machine. Times are from the fault on.
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
from pathlib import Path
from statistics import median

import msgspec
import redis
from redis.exceptions import RedisError

from benchmarks.contenders import celery_alone
from benchmarks.environment import machine
from benchmarks.report.tables import markdown
from shared import keys
from shared.errors import Exit
from tests.nemesis import checker
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs.claims import Held, catch, claims, wait_until_taken_over
from tests.support.processes import procfs
from tests.support.processes.fleet import Fleet, Producer, Worker, wait_for
from tests.support.servers.redis_server import RedisServer, server_binaries

PICTURES = 4_000
LIMIT_S = 60.0
AWAY_S = 1.0
#: Celery's default is an hour; shorter ones are measured, since all it adds is waiting. What is
#: overdue is looked for every 100 s by default (unacked_restore_interval 10 s, each tenth time).
WAITS = ((10, ""), (30, ""), (10, "1"), (30, "1"))
DEFAULT_VISIBLE_S, DEFAULT_SWEEP_S = 3600, 100


class Figure(msgspec.Struct):
    """One fault, of one contender. `seconds` of the repeats in which it came back."""

    fault: str
    contender: str
    seconds: list[float] = []
    lost: list[int] = []  #: tasks, or rows that are not right, of each repeat
    of: int = 0  #: rows or tasks of a repeat


class Scene:
    """A job in its middle on two workers."""

    def __init__(self, fleet: Fleet, pictures: Gallery, folder: Path) -> None:
        self.fleet, self._pictures = fleet, pictures
        self.workers = [fleet.worker(), fleet.worker()]
        self._output = folder / "out.csv"
        arguments = ("classify", FOLDER, "-o", str(self._output), "--quiet")
        self.producer: Producer = fleet.producer(*arguments, cwd=pictures.cwd)
        self.producer.wait_until_done(PICTURES // 8)

    def meet(self, worker: Worker) -> Held:
        """A child of it, stopped with a batch in hand."""
        return catch(self.fleet.client, worker.children)

    def faulty(self) -> int:
        """Rows lost, doubled, wrong or moved, once the job has ended well."""
        code = self.producer.wait()
        assert code == Exit.OK, self.producer.story
        return faulty(self._pictures.table, self._output.read_bytes())


def faulty(expected: bytes, table: bytes) -> int:
    """Rows that differ from those of an undisturbed run."""
    return sum(checker.compare(expected, table))


def child_killed(scene: Scene) -> float:
    """A pool child, in the middle of a batch."""
    held = scene.meet(scene.workers[0])
    began = time.monotonic()
    procfs.kill(held.child)
    wait_until_taken_over(scene.fleet.client, held, LIMIT_S)
    return time.monotonic() - began


def worker_killed(scene: Scene) -> float:
    """Parent and children."""
    held = scene.meet(scene.workers[0])
    began = time.monotonic()
    scene.workers[0].kill()
    wait_until_taken_over(scene.fleet.client, held, LIMIT_S)
    return time.monotonic() - began


def server_restarted(scene: Scene) -> float:
    """Killed, and back empty after a second, which is in the figure."""
    held = scene.meet(scene.workers[0])
    began = time.monotonic()
    scene.fleet.server.kill()
    procfs.go_on(held.child)
    time.sleep(AWAY_S)
    scene.fleet.server.start()
    wait_for_work(scene.fleet.client, scene.producer)
    return time.monotonic() - began


def server_emptied(scene: Scene) -> float:
    """FLUSHALL."""
    held = scene.meet(scene.workers[0])
    began = time.monotonic()
    scene.fleet.client.flushall()
    procfs.go_on(held.child)
    wait_for_work(scene.fleet.client, scene.producer)
    return time.monotonic() - began


def wait_for_work(client: redis.Redis, producer: Producer) -> None:
    """A claim is held again, or a batch was finished since everything was lost.

    Raises AssertionError if the producer ends, whatever its workers do.
    """

    def look() -> bool:
        assert producer.running, f"the producer ended\n{producer.story}"
        try:
            return any(client.scan_iter(keys.job("*", "done"))) or bool(claims(client))
        except RedisError:
            return False

    wait_for("work after the fault", look, LIMIT_S, poll_s=0.002)


FAULTS: dict[str, Callable[[Scene], float]] = {
    "a pool child is killed": child_killed,
    "a whole worker is killed": worker_killed,
    f"the server is killed, back empty after {AWAY_S:.0f} s": server_restarted,
    "the server is emptied (FLUSHALL)": server_emptied,
}
CHILD, WORKER, RESTARTED, EMPTIED = FAULTS


@contextmanager
def scene(pictures: Gallery) -> Iterator[Scene]:
    """A fleet with the real times."""
    with (
        tempfile.TemporaryDirectory() as folder,
        redirect_stdout(io.StringIO()),  # what processes said is for tests
        RedisServer(server_binaries()[0]) as server,
        Fleet(server, XDG_STATE_HOME=folder) as fleet,
    ):
        yield Scene(fleet, pictures, Path(folder))


def hangtag(pictures: Gallery, repeats: int) -> Iterator[Figure]:
    """Every fault, one repeat after the other."""
    for name, fault in FAULTS.items():
        figure = Figure(name, "Hangtag", of=PICTURES)
        for _ in range(repeats):
            with scene(pictures) as one:
                figure.seconds.append(fault(one))
                figure.lost.append(one.faulty())
        yield figure


def celery(repeats: int) -> Iterator[Figure]:
    """The same for Celery alone. Repeats are side by side: they hardly do anything but wait."""
    late = "Celery, acks_late"
    yield _timed(CHILD, late, repeats, lambda: celery_alone.child_killed(reject=False))
    reject = f"{late}, task_reject_on_worker_lost"
    yield _timed(CHILD, reject, repeats, lambda: celery_alone.child_killed(reject=True))
    for visible_s, sweep_s in WAITS:
        swept = f", swept every {sweep_s} s" if sweep_s else ""
        yield _timed(
            WORKER,
            f"{late}, visibility_timeout {visible_s} s{swept}",
            repeats,
            lambda v=visible_s, s=sweep_s: celery_alone.worker_killed(v, s),  # type: ignore[misc]
        )
    for fault, act in (
        (RESTARTED, celery_alone.server_restarted),
        (EMPTIED, celery_alone.server_emptied),
    ):
        yield Figure(fault, late, [], _beside(act, repeats), celery_alone.TASKS)


def _timed(fault: str, contender: str, repeats: int, act: Callable[[], float | None]) -> Figure:
    found = _beside(act, repeats)
    lost = [int(seconds is None) for seconds in found]
    return Figure(fault, contender, [s for s in found if s is not None], lost, 1)


def _beside(act: Callable[[], object], repeats: int) -> list:  # type: ignore[type-arg]
    with ThreadPoolExecutor(repeats) as pool:
        return [future.result() for future in [pool.submit(act) for _ in range(repeats)]]


def by_default(figures: Sequence[Figure]) -> str:
    """What the measured times say of Celery's own default."""
    beyond = [
        median(figure.seconds) - visible_s
        for visible_s, sweep_s in WAITS
        for figure in figures
        if sweep_s
        and figure.seconds
        and figure.contender.endswith(f"{visible_s} s, swept every {sweep_s} s")
    ]
    if not beyond:
        return ""
    return (
        f"Celery's default visibility_timeout is {DEFAULT_VISIBLE_S:,} s. That was not waited for "
        f"but computed: swept every second, a task came back {min(beyond):.1f} to "
        f"{max(beyond):.1f} s after its timeout, whatever that was; the default looks every "
        f"{DEFAULT_SWEEP_S} s. So {DEFAULT_VISIBLE_S:,} to "
        f"{DEFAULT_VISIBLE_S + DEFAULT_SWEEP_S + max(beyond):,.0f} s."
    )


def table(figures: Iterable[Figure]) -> str:
    """As Markdown."""
    head = ("fault", "who", "in other hands after, s: median (all)", "lost")
    return markdown(head, [_row(figure) for figure in figures])


def _row(figure: Figure) -> list[str]:
    each = ", ".join(f"{s:.2f}" for s in sorted(figure.seconds))
    seconds = f"{median(figure.seconds):.2f} ({each})" if figure.seconds else "never"
    what = "rows" if figure.contender == "Hangtag" else "tasks"
    lost = ", ".join(map(str, figure.lost))
    return [figure.fault, figure.contender, seconds, f"{lost} of {figure.of:,} {what}"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    note, figures = machine.busy(), list[Figure]()
    with tempfile.TemporaryDirectory() as folder:
        pictures = gallery.make(Path(folder), PICTURES)
        for maker in (hangtag(pictures, given.repeats), celery(given.repeats)):
            for figure in maker:
                figures.append(figure)
                print(" | ".join(_row(figure)), file=sys.stderr, flush=True)
    figures.sort(key=lambda figure: list(FAULTS).index(figure.fault))
    print(f"{machine.place()}\n\n{table(figures)}\n\n{by_default(figures)}\n{note}")
    if given.json:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(figures)))


if __name__ == "__main__":
    main()
