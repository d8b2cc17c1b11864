"""`python -m benchmarks.remote`: photographs in a folder, on a web server and in a bucket of an S3
server (moto) of this machine, in turns; the rows are equal."""

from __future__ import annotations

import argparse
import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import date
from pathlib import Path
from typing import NamedTuple

from benchmarks.environment import machine
from benchmarks.environment.paths import ROOT
from benchmarks.report.blocks import wrapped
from benchmarks.report.figures import MB
from benchmarks.report.page_blocks import write_blocks
from benchmarks.report.tables import markdown
from benchmarks.workloads.photo_files import Kind, make
from shared.errors import Exit
from shared.process import resident_bytes
from tests.support.processes.fleet import Fleet
from tests.support.servers.redis_server import RedisServer, server_binaries
from tests.support.servers.s3_server import s3_server

PHOTOS, TURNS, BUCKET = 1_000, 3, "pictures"
PIXELS_224 = Kind("224x224", (224, 224))
FOLDER_WAY = "folder"
_POLL_S = 0.02


class Run(NamedTuple):
    """One job."""

    images_per_s: float
    peak: int  #: the most resident bytes of the producer
    rows: list[str]  #: without the folder, server or bucket in their paths


def run(fleet: Fleet, folder: Path, name: str, *what: str, **environ: str) -> Run:
    """Run a job to its end."""
    started, peak = time.monotonic(), 0
    arguments = ("classify", *what, "-o", f"{name}.csv", "--restart", "--quiet")
    producer = fleet.producer(*arguments, cwd=folder, **environ)
    while producer.running:
        peak = max(peak, _resident(producer.pid))
        time.sleep(_POLL_S)
    if producer.wait() != Exit.OK:
        raise AssertionError(producer.story)
    seconds = time.monotonic() - started
    lines = (folder / f"{name}.csv").read_text().splitlines()[1:]
    cells = (line.split(",", 1) for line in lines)
    rows = [",".join(("/".join(path.split("/")[-2:]), rest)) for path, rest in cells]
    return Run(len(rows) / seconds, peak, rows)


def _resident(pid: int) -> int:
    try:
        return resident_bytes(pid)
    except (OSError, ValueError):  # it has ended
        return 0


def measured(count: int) -> dict[str, list[Run]]:
    """The runs of each way, after one of each that is not counted."""
    photos = make(PIXELS_224, count)
    paths = sorted(path.relative_to(photos) for path in photos.rglob("*.jpg"))
    runs: dict[str, list[Run]] = {}
    with (
        _fleet() as (fleet, folder),
        _site(photos) as port,
        s3_server(buckets={BUCKET: photos}) as s3,
    ):
        addresses = "".join(f"http://127.0.0.1:{port}/{path}\n" for path in paths)
        (folder / "list.txt").write_text(addresses)
        ways = {
            FOLDER_WAY: (str(photos),),
            "web server": ("--list", "list.txt"),
            "bucket": (f"s3://{BUCKET}/",),
        }
        for turn in range(-1, TURNS):
            for way, what in ways.items():
                done = run(fleet, folder, way.replace(" ", "-"), *what, **s3.environ())
                if turn >= 0:
                    runs.setdefault(way, []).append(done)
    if any(done.rows != runs[FOLDER_WAY][0].rows for way in runs.values() for done in way):
        raise AssertionError("the tables differ")
    return runs


@contextmanager
def _fleet() -> Iterator[tuple[Fleet, Path]]:
    with (
        tempfile.TemporaryDirectory(prefix="ht-remote-") as name,
        redirect_stdout(io.StringIO()),  # only tests need the processes' output
        RedisServer(server_binaries()[0]) as server,
        Fleet(server, XDG_STATE_HOME=name, HANGTAG_LOCAL_ADDRESSES="1") as fleet,
    ):
        fleet.worker(2)
        yield fleet, Path(name)


@contextmanager
def _site(folder: Path) -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks.workloads.static_site", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def table(runs: dict[str, list[Run]]) -> str:
    """A line for each way: medians, and the ratio to the folder within a turn."""
    return markdown(
        ("images from", "images/s", "of the folder", "producer, MB"),
        [_line(way, each, runs[FOLDER_WAY]) for way, each in runs.items()],
    )


def _line(way: str, each: list[Run], beside: list[Run]) -> list[str]:
    rate = statistics.median(run.images_per_s for run in each)
    pairs = zip(each, beside, strict=True)
    ratio = statistics.median(run.images_per_s / other.images_per_s for run, other in pairs)
    return [way, f"{rate:,.0f}", f"{ratio:.2f}", f"{max(run.peak for run in each) / MB:.0f}"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.remote", description=__doc__)
    parser.add_argument("--images", type=int, default=PHOTOS)
    parser.add_argument("--write", action="store_true", help="write the table to RESULTS.md, too")
    given = parser.parse_args(arguments)
    about = wrapped(
        f"{given.images:,} JPEG files of 224 pixels; medians of {TURNS} runs each. {date.today()}, "
        f"{machine.place()}; {machine.busy() or 'idle'}."
    )
    shown = f"{about}\n\n{table(measured(given.images))}"
    print(shown)
    if given.write:
        write_blocks("remote", {"photos": shown})


if __name__ == "__main__":
    main()
