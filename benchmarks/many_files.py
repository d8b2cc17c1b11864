"""`python -m benchmarks.many_files`: jobs of 10,000,000 files.

`whole`: one run, with its speed in each tenth. `killed`: the producer is killed 20 times, each
after an equal share of the files. A complete part writes its figures to RESULTS.md.
"""

from __future__ import annotations

import argparse
import io
import re
import signal
import sys
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
TENTHS = 10
_HEADING = b"path,"
_POLL_S = 0.02


class Share(NamedTuple):
    """A share of the files, which one run of the producer classified."""

    seconds: float  #: in `killed` with the start of the run
    first_row_s: float  #: from its start to the first row it added; 0 if it went on
    images: int

    @property
    def seconds_per_million(self) -> float:
        return self.seconds / self.images * 1e6


class Figures(NamedTuple):
    """The results of a part."""

    images: int
    shares: list[Share]
    peak: int  #: the most resident bytes of a producer
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


def whole(scene: Scene) -> Figures:
    """Run the job once."""
    started = time.monotonic()
    producer, peak = _started(scene, "whole")
    done, shares = 0, list[Share]()
    for number in range(1, TENTHS + 1):
        first_row_s = _wait_until_done(producer, done + 1) - started if number == 1 else 0.0
        if number < TENTHS:
            ended = _wait_until_done(producer, scene.images * number // TENTHS)
        else:
            ended = _ended(producer)
        before, done = done, _done(producer)
        shares.append(Share(ended - started, first_row_s, done - before))
        started = ended
    return _checked(scene, "whole", shares, peak.bytes)


def killed(scene: Scene, kills: int) -> Figures:
    """Run the job, and kill its producer again and again."""
    done, shares, peaks = 0, list[Share](), list[int]()
    for number in range(1, kills + 2):
        started = time.monotonic()
        producer, peak = _started(scene, "killed")
        first_row_s = _wait_until_done(producer, done + 1) - started
        if number <= kills:
            ended = _wait_until_done(producer, scene.images * number // (kills + 1))
            producer.signal(signal.SIGKILL)
            producer.wait()
        else:
            ended = _ended(producer)
        before, done = done, _done(producer)
        shares.append(Share(ended - started, first_row_s, done - before))
        peaks.append(peak.bytes)
    return _checked(scene, "killed", shares, max(peaks))


def _started(scene: Scene, name: str) -> tuple[Producer, _Peak]:
    producer = scene.classify(name)
    peak = _Peak(producer)
    peak.start()
    return producer, peak


def _ended(producer: Producer) -> float:
    """The time when it has written the table."""
    if (code := producer.wait(7200)) != Exit.OK:
        raise AssertionError(f"the job ended with {code}\n{producer.story}")
    return time.monotonic()


def _checked(scene: Scene, name: str, shares: list[Share], peak: int) -> Figures:
    output = scene.output(name)
    _check_rows(scene, output)
    started = time.monotonic()
    verify = scene.fleet.producer("verify", str(output), cwd=scene.folder)
    memory = _Peak(verify)
    memory.start()
    ended = _ended(verify)
    return Figures(scene.images, shares, peak, ended - started, memory.bytes)


def _wait_until_done(producer: Producer, images: int) -> float:
    """The time when this number of images has its rows."""
    while _done(producer) < images:
        if not producer.running:
            raise AssertionError(producer.story)
        time.sleep(_POLL_S)
    return time.monotonic()


def _done(producer: Producer) -> int:
    view = read_snapshot(producer.output)
    return 0 if view is None else view.done


def _check_rows(scene: Scene, output: Path) -> None:
    """Compare the paths of the table with the names that were made, in constant memory."""
    with output.open("rb") as table:
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


def text(part: str, figures: Figures, note: str) -> str:
    """What RESULTS.md shows of a part."""
    shares, total = figures.shares, sum(share.seconds for share in figures.shares)
    each = [share.seconds_per_million for share in shares]
    half = len(each) // 2
    rows = [
        ["first row", f"{shares[0].first_row_s:.1f} s after the start"],
        ["all rows", f"{total:,.0f} s, {figures.images / total:,.0f} images/s"],
        ["first half of the files", f"{sum(each[:half]) / half:.1f} s for a million"],
        ["second half", f"{sum(each[-half:]) / half:.1f} s for a million"],
    ]
    if part == "killed":
        last = shares[-1].first_row_s
        rows.append(["first row of the last run", f"{last:.1f} s after its start"])
    rows += [
        ["producer, most resident", f"{figures.peak / MB:.0f} MB"],
        ["`hangtag verify`", f"{figures.verified_s:,.0f} s, {figures.verified_peak / MB:.0f} MB"],
    ]
    how = f"; the producer was killed {len(shares) - 1} times" if part == "killed" else ""
    where = f"{datetime.now(UTC).date().isoformat()}, {machine.place()}"
    about = (
        f"{figures.images:,} files{how}; every path has its row, in order. "
        f"({where}{'; ' if note else ''}{note})"
    )
    return f"{about}\n\n{markdown(('what', 'measured'), rows)}"


def _write(part: str, shown: str) -> None:
    block = re.compile(rf"(?<=<!-- many-files:{part} -->\n).*?(?=<!-- /many-files -->)", re.DOTALL)
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(block.sub(lambda old: f"{shown}\n", page), encoding="utf-8")


def main() -> None:
    """Print the figures; write those of complete parts to RESULTS.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_files", description=__doc__)
    parser.add_argument("--only", choices=("whole", "killed"), nargs="+")
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--folder", type=Path, help="where the files are made; on a disk")
    given, out = parser.parse_args(), sys.stdout
    with _scene(given.images, given.folder) as scene:
        for part in given.only or ("whole", "killed"):
            note = machine.busy()
            figures = whole(scene) if part == "whole" else killed(scene, given.kills)
            shown = text(part, figures, note)
            print(shown, file=out, flush=True)
            if (given.images, given.kills) == (IMAGES, KILLS):
                _write(part, shown)


if __name__ == "__main__":
    main()
