"""`python -m benchmarks.many_files`: one job of 10,000,000 files whose producer is killed 20 times.

Each run of the producer gets an equal share of the files. If the product is linear, each takes as
long as the one before, its start and the search for new files included. A complete run writes its
figures to RESULTS.md.
"""

from __future__ import annotations

import argparse
import io
import re
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from benchmarks.environment import machine
from benchmarks.environment.paths import ROOT
from benchmarks.memory import MB, Scene
from benchmarks.report.tables import markdown
from producer.journal.snapshot import read_snapshot
from shared.errors import Exit
from shared.process import resident_bytes
from tests.support.processes.fleet import Fleet, Producer
from tests.support.servers.redis_server import RedisServer, server_binaries

IMAGES, KILLS, BATCH_IMAGES = 10_000_000, 20, 1024
PAGE = ROOT / "benchmarks" / "RESULTS.md"
_BLOCK = re.compile(r"(?<=<!-- many-files -->\n).*?(?=<!-- /many-files -->)", re.DOTALL)
_HEADING = b"path,"
_POLL_S = 0.02
_NAME = "many"


class Run(NamedTuple):
    """One run of the producer, until it was killed or the table was written."""

    seconds: float
    images: int  #: that got their row in it
    peak: int  #: the most resident bytes

    @property
    def seconds_per_million(self) -> float:
        return self.seconds / self.images * 1e6


class Figures(NamedTuple):
    """All results."""

    images: int
    first_row_s: float  #: from the start of the first producer
    runs: list[Run]
    verified_s: float
    verified_peak: int


class _Peak(threading.Thread):
    """Samples the resident bytes of a process until it ends."""

    def __init__(self, producer: Producer) -> None:
        super().__init__(name="peak", daemon=True)
        self._producer, self.bytes = producer, 0

    def run(self) -> None:
        while self._producer.running:
            try:
                self.bytes = max(self.bytes, resident_bytes(self._producer.pid))
            except (OSError, ValueError):  # it has ended
                return
            time.sleep(_POLL_S)


def measure(scene: Scene, kills: int) -> Figures:
    """Run the job, kill its producer again and again, and check the table."""
    runs: list[Run] = []
    done, first_row_s = 0, 0.0
    for number in range(1, kills + 2):
        started = time.monotonic()
        producer = scene.classify(_NAME)
        peak = _Peak(producer)
        peak.start()
        if number == 1:
            producer.wait_until_done(1)
            first_row_s = time.monotonic() - started
        if number <= kills:
            _wait_until_done(producer, scene.images * number // (kills + 1))
            producer.signal(signal.SIGKILL)
            producer.wait()
        elif (code := producer.wait(7200)) != Exit.OK:
            raise AssertionError(f"the job ended with {code}\n{producer.story}")
        before, done = done, _done(producer)
        peak.join()
        runs.append(Run(time.monotonic() - started, done - before, peak.bytes))
    _check_rows(scene)
    started = time.monotonic()
    verify = scene.fleet.producer("verify", str(scene.output(_NAME)), cwd=scene.folder)
    peak = _Peak(verify)
    peak.start()
    if verify.wait(7200) != Exit.OK:
        raise AssertionError(verify.story)
    return Figures(scene.images, first_row_s, runs, time.monotonic() - started, peak.bytes)


def _wait_until_done(producer: Producer, images: int) -> None:
    while _done(producer) < images:
        if not producer.running:
            raise AssertionError(producer.story)
        time.sleep(10 * _POLL_S)


def _done(producer: Producer) -> int:
    view = read_snapshot(producer.output)
    return 0 if view is None else view.done


def _check_rows(scene: Scene) -> None:
    """Compare the paths of the table with the names that were made, in constant memory."""
    with scene.output(_NAME).open("rb") as table:
        if not next(table).startswith(_HEADING):
            raise AssertionError("the table has another heading")
        paths = (line.partition(b",")[0].decode() for line in table)
        for expected in scene.names():
            if (path := next(paths, "")) != expected:
                raise AssertionError(f"{expected} was expected, not {path}")
        if list(islice(paths, 1)):
            raise AssertionError("the table has more rows than files")


@contextmanager
def _scene(images: int, folder: Path | None) -> Iterator[Scene]:
    with (
        tempfile.TemporaryDirectory(prefix="ht-many-", dir=folder) as name,
        redirect_stdout(io.StringIO()),  # only tests need the processes' output
        RedisServer(server_binaries()[0]) as server,
        Fleet(server, XDG_STATE_HOME=name) as fleet,
    ):
        yield Scene(fleet, Path(name), images, BATCH_IMAGES)


def text(figures: Figures, note: str) -> str:
    """What RESULTS.md shows."""
    total = sum(run.seconds for run in figures.runs)
    each = [run.seconds_per_million for run in figures.runs]
    half = len(each) // 2
    rows = [
        ["first row", f"{figures.first_row_s:.1f} s after the start"],
        ["all rows", f"{total:,.0f} s, {figures.images / total:,.0f} images/s with every restart"],
        ["first half of the runs", f"{sum(each[:half]) / half:.1f} s for a million"],
        ["second half", f"{sum(each[-half:]) / half:.1f} s for a million"],
        ["producer, most resident", f"{max(run.peak for run in figures.runs) / MB:.0f} MB"],
        ["`hangtag verify`", f"{figures.verified_s:,.0f} s, {figures.verified_peak / MB:.0f} MB"],
    ]
    where = f"{datetime.now(UTC).date().isoformat()}, {machine.place()}"
    about = (
        f"{figures.images:,} files (hard links to 1,000 images), the tutorial's network in int8, "
        f"one worker with two processes; the producer was killed {len(figures.runs) - 1} times. "
        f"Every path has its row, in order. ({where}{'; ' if note else ''}{note})"
    )
    return f"{about}\n\n{markdown(('what', 'measured'), rows)}"


def main() -> None:
    """Print the figures; write those of a complete run to RESULTS.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_files", description=__doc__)
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--folder", type=Path, help="where the files are made; on a disk")
    given = parser.parse_args()
    note = machine.busy()
    with _scene(given.images, given.folder) as scene:
        figures = measure(scene, given.kills)
    shown = text(figures, note)
    print(shown, flush=True)
    if (given.images, given.kills) == (IMAGES, KILLS):
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(_BLOCK.sub(lambda old: f"{shown}\n", page), encoding="utf-8")


if __name__ == "__main__":
    main()
