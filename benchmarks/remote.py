"""`python -m benchmarks.remote`: images in an S3 server and on a web server of this machine.

`objects`: the same images in a folder and in a bucket; then the bucket through a proxy that lets a
tenth of the requests fail, while producer and worker are killed once. `keys`: a listing whose last
page fails. `photos`: photographs of 224 pixels in a folder and on a web server, in turns. A
complete part writes its figures to RESULTS.md.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.environment import machine
from benchmarks.environment.paths import ROOT
from benchmarks.many_files import PAGE
from benchmarks.memory import MB, link
from benchmarks.report.tables import markdown
from benchmarks.workloads.photo_files import Kind, make
from producer.sources.remote.s3_objects import S3Objects
from shared.errors import Exit
from shared.process import resident_bytes
from tests.support.processes.fleet import Fleet, Producer, Worker
from tests.support.servers.fault_proxy import Fault, FaultProxy, fault_proxy, some_fail
from tests.support.servers.redis_server import RedisServer, server_binaries
from tests.support.servers.s3_server import S3Server, s3_server

OBJECTS, KEYS, PHOTOS, TURNS = 20_000, 50_000, 1_000, 3
PIXELS_224 = Kind("224x224", (224, 224))
FOLDER, BUCKET = "links", "pictures"
FAILED_SHARE = 0.1
PAGE_KEYS = 1000  #: that a server lists at once
FAULTS = (
    Fault(drops=True),
    Fault(delay_s=0.2),
    Fault(keeps_bytes=100),
    Fault(status=503, code="SlowDown"),
    Fault(status=429),
)
_POLL_S = 0.02


class Run(NamedTuple):
    """One job, or what was left of it."""

    images: int
    seconds: float
    peak: int  #: the most resident bytes of the producer

    @property
    def rate(self) -> float:
        return self.images / self.seconds


class Scene:
    """A worker with two processes, and jobs in a folder."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet, self.folder, self.worker = fleet, folder, fleet.worker(2)

    def job(
        self,
        name: str,
        *what: str,
        environ: Mapping[str, str] = {},
        disturb: Callable[[Producer, Worker], None] | None = None,
    ) -> Run:
        """Run a job to its end. With `disturb` its first run is that until its producer ended."""
        started, peak, images = time.monotonic(), 0, 0
        for first in (True, False) if disturb else (False,):
            arguments = ("classify", *what, "-o", f"{name}.csv", "--quiet")
            producer = self.fleet.producer(*arguments, cwd=self.folder, **environ)
            if first and disturb is not None:
                disturb(producer, self.worker)
                self.worker = self.fleet.worker(2)
                continue
            while producer.running:
                peak = max(peak, _resident(producer.pid))
                time.sleep(_POLL_S)
            if producer.wait() != Exit.OK:
                raise AssertionError(producer.story)
        images = len(self.labels(name))
        return Run(images, time.monotonic() - started, peak)

    def labels(self, name: str) -> list[tuple[str, str]]:
        """The end of the path, and the rest, of each row."""
        rows = (self.folder / f"{name}.csv").read_text().splitlines()[1:]
        cells = (row.split(",", 1) for row in rows)
        return [("/".join(path.split("/")[-2:]), rest) for path, rest in cells]


def _resident(pid: int) -> int:
    try:
        return resident_bytes(pid)
    except (OSError, ValueError):  # it has ended
        return 0


def objects(scene: Scene, count: int) -> list[list[str]]:
    """The bucket beside the folder, without and with faults."""
    link(scene.folder, count)
    with s3_server(buckets={BUCKET: scene.folder / FOLDER}) as s3:
        scene.job("warm", FOLDER, "--glob", "0000.png")
        folder = scene.job("folder", FOLDER)
        bucket = scene.job("bucket", f"s3://{BUCKET}/", environ=s3.environ())
        with fault_proxy(s3.port, some_fail(FAILED_SHARE, *FAULTS)) as proxy:
            environ, kill = s3.environ(proxy.url), _kill(count)
            faulty = scene.job("faulty", f"s3://{BUCKET}/", environ=environ, disturb=kill)
        requests = len(proxy.requests)
    same = scene.labels("folder") == scene.labels("bucket") == scene.labels("faulty")
    if not (same and folder.images == count):
        raise AssertionError("the tables differ")
    return [
        ["folder", *_cells(folder)],
        ["bucket", *_cells(bucket)],
        [f"bucket, faults, two kills ({requests:,} requests)", *_cells(faulty)],
    ]


def _kill(count: int) -> Callable[[Producer, Worker], None]:
    def kill(producer: Producer, worker: Worker) -> None:
        producer.wait_until_done(count // 3)
        worker.kill()
        producer.kill()

    return kill


def keys(scene: Scene, count: int) -> list[list[str]]:
    """A listing whose last page fails twice."""
    folder = scene.folder / "empty"
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:06}.jpg").write_bytes(b"x")
    with s3_server(buckets={"keys": folder}) as s3, fault_proxy(s3.port) as proxy:
        return [_listed(s3, proxy, fails, count) for fails in (False, True)]


def _listed(s3: S3Server, proxy: FaultProxy, fails: bool, count: int) -> list[str]:
    failures = 0

    def last_fails(line: str, number: int) -> Fault:
        nonlocal failures
        failures += fails and number >= count // PAGE_KEYS - 1
        return Fault(keeps_bytes=10_000) if 0 < failures <= 2 else Fault()

    proxy.faults = last_fails
    proxy.requests.clear()
    os.environ.update(s3.environ(proxy.url))
    started = time.monotonic()
    with closing(S3Objects()) as opened:
        found = [name for name, _ in opened.entries(b"s3://keys/")]
    seconds = time.monotonic() - started
    if found != [b"s3://keys/%06d.jpg" % number for number in range(count)]:
        raise AssertionError(f"{len(found)} keys were listed, or in another order")
    what = "the last page fails twice" if fails else "without faults"
    return [what, f"{seconds:.1f}", f"{len(proxy.requests)}"]


def photos(scene: Scene, count: int) -> list[list[str]]:
    """Photographs from a web server beside the folder, in turns."""
    place = make(PIXELS_224, count)
    runs: dict[str, list[Run]] = {"folder": [], "web server": []}
    with _site(place) as port:
        paths = sorted(path.relative_to(place) for path in place.rglob("*.jpg"))
        addresses = "".join(f"http://127.0.0.1:{port}/{path}\n" for path in paths)
        (scene.folder / "list.txt").write_text(addresses)
        scene.job("warm-photos", str(place), "--glob", "*0.jpg")
        for turn in range(TURNS):
            runs["folder"].append(scene.job(f"photos-{turn}", str(place)))
            runs["web server"].append(scene.job(f"web-{turn}", "--list", "list.txt"))
            if scene.labels(f"photos-{turn}") != scene.labels(f"web-{turn}"):
                raise AssertionError("the tables differ")
    rates = {name: statistics.median(run.rate for run in each) for name, each in runs.items()}
    memory = {name: max(run.peak for run in each) for name, each in runs.items()}
    rows = [[name, f"{rates[name]:,.0f}", f"{memory[name] / MB:.0f}"] for name in runs]
    return [*rows, ["ratio", f"{rates['web server'] / rates['folder']:.2f}", ""]]


@contextmanager
def _site(folder: Path) -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks.workloads.static_site", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def _cells(run: Run) -> list[str]:
    return [f"{run.seconds:.1f}", f"{run.rate:,.0f}", f"{run.peak / MB:.0f}"]


class Part(NamedTuple):
    """A part of the figures."""

    measure: Callable[[Scene, int], list[list[str]]]
    images: int
    heading: tuple[str, ...]
    what: str


_JOB = ("images from", "s", "images/s", "producer, MB")
PARTS = {
    "objects": Part(objects, OBJECTS, _JOB, "images of 28 pixels, hard links to 1,000"),
    "keys": Part(keys, KEYS, ("listing", "s", "requests"), "keys"),
    "photos": Part(
        photos,
        PHOTOS,
        ("images from", "images/s", "producer, MB"),
        f"JPEG files of 224 pixels; the median of {TURNS} runs each, in turns",
    ),
}


@contextmanager
def _scene() -> Iterator[Scene]:
    with (
        tempfile.TemporaryDirectory(prefix="ht-remote-") as name,
        redirect_stdout(io.StringIO()),  # only tests need the processes' output
        RedisServer(server_binaries()[0]) as server,
        Fleet(
            server,
            XDG_STATE_HOME=name,
            HANGTAG_BATCH_IMAGES="1024",
            HANGTAG_LOCAL_ADDRESSES="1",
            HANGTAG_HEARTBEAT_S="1",
        ) as fleet,
    ):
        yield Scene(fleet, Path(name))


def _write(part: str, shown: str) -> None:
    block = re.compile(rf"(?<=<!-- remote:{part} -->\n).*?(?=<!-- /remote -->)", re.DOTALL)
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(block.sub(lambda old: f"{shown}\n", page), encoding="utf-8")


def main() -> None:
    """Print the figures; write those of complete parts to RESULTS.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.remote", description=__doc__)
    parser.add_argument("--only", choices=tuple(PARTS), nargs="+")
    parser.add_argument("--images", type=int, help="fewer than usual; nothing is written then")
    given, out = parser.parse_args(), sys.stdout
    for part in given.only or PARTS:
        measure, usual, heading, what = PARTS[part]
        load = machine.busy() or f"load {os.getloadavg()[0]:.1f}"
        with _scene() as scene:
            rows = measure(scene, given.images or usual)
        where = f"{datetime.now(UTC).date().isoformat()}, {machine.place()}; {load}"
        about = f"{given.images or usual:,} {what}. ({where})"
        shown = f"{about}\n\n{markdown(heading, rows)}"
        print(shown, file=out, flush=True)
        if given.images is None:
            _write(part, shown)


if __name__ == "__main__":
    main()
