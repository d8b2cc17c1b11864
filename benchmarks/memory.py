"""`python -m benchmarks.memory`: memory, descriptors and keys over a large job and its resumes.

One undisturbed job of tiny images in tiny batches; then the same job again, whose producer is
repeatedly killed or interrupted, and resumed by the same command.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.environment import machine
from benchmarks.measure.sampler import ProcessSample, Sampler, ServerSample, ends
from benchmarks.report.figures import MB
from benchmarks.report.tables import markdown
from shared.errors import Exit
from shared.registry import mirror_writer
from shared.registry.registry import Registry
from tests.support.images import gallery
from tests.support.jobs import model_versions
from tests.support.jobs.claims import job_keys
from tests.support.processes.fleet import Fleet, Producer
from tests.support.servers.redis_server import RedisServer, server_binaries

IMAGES, BATCH_IMAGES, RESUMES = 200_000, 16, 20
EVERY_S = 1.0
FOLDER = "links"
#: Distinct images; all other files are hard links to them.
DISTINCT_IMAGES = 1_000
PRODUCER, PARENT, CHILD, SERVER = "producer", "worker parent", "worker child", "server"
PARTS = ("whole", "resumed")


class Line(msgspec.Struct, frozen=True):
    """One quantity that must not grow: bytes, or a number of descriptors or keys."""

    part: str  #: `whole`: the undisturbed job; `resumed`: all runs of the other one
    what: str
    first: float
    last: float


class Figures(msgspec.Struct, frozen=True):
    """All results."""

    images: int
    batches: int
    runs: int  #: of the disturbed job's producer
    seconds: float
    lines: list[Line]
    keys_left: int  #: of jobs, at the end
    rows: int

    def line(self, part: str, what: str) -> Line:
        """The line of this part and quantity."""
        return next(one for one in self.lines if (one.part, one.what) == (part, what))


class _Samples(NamedTuple):
    processes: dict[str, list[ProcessSample]]
    server: list[ServerSample]


class Scene:
    """A worker with two children, a fast model, and many hard links to few images."""

    def __init__(self, fleet: Fleet, folder: Path, images: int, batch_images: int) -> None:
        self.fleet, self.images, self.folder = fleet, images, folder
        link(folder, images)
        registry = Registry(folder / "store")
        self.model = model_versions.publish(registry, "tutorial", seed=1).card.ref
        mirror_writer.publish(fleet.client, registry)
        self.worker = fleet.worker(2)
        self._size = {"HANGTAG_BATCH_IMAGES": str(batch_images)}
        self._running: list[Producer] = []

    def classify(self, name: str) -> Producer:
        """Start the job with this output name; the same command resumes it."""
        arguments = ("classify", FOLDER, "-o", str(self.output(name)), "--model", self.model)
        producer = self.fleet.producer(*arguments, "--quiet", cwd=self.folder, **self._size)
        self._running = [producer]
        return producer

    def output(self, name: str) -> Path:
        """The path of a job's table."""
        return self.folder / f"{name}.csv"

    def processes(self) -> dict[str, list[int]]:
        """The sampled processes."""
        return {
            PRODUCER: [one.pid for one in self._running if one.running],
            PARENT: [self.worker.pid],
            CHILD: self.worker.children,
            SERVER: [self.fleet.server.pid],
        }


def link(folder: Path, images: int) -> None:
    """Create this number of regular files below `folder`/links."""
    found = gallery.make(folder, min(images, DISTINCT_IMAGES))
    for part, name in _places(images):
        place = folder / FOLDER / part
        if name == _file_name(0):
            place.mkdir(parents=True)
        os.link(found.cwd / found.paths[int(name[:4])], place / name)


def _places(images: int) -> Iterator[tuple[str, str]]:
    """The folder and the name of each file, in byte order of their paths."""
    for number in range(images):
        part, index = divmod(number, DISTINCT_IMAGES)
        yield f"{part:05}", _file_name(index)


def _file_name(index: int) -> str:
    return f"{index:04}.png"


def undisturbed(scene: Scene, every_s: float) -> _Samples:
    """Run one job without interruption. Samples before its first results are left out."""
    producer = scene.classify("whole")
    producer.wait_until_done(scene.images // 100)
    with Sampler(scene.processes, scene.fleet.client, every_s) as sampler:
        _check(producer.wait(3600))
    return _Samples(sampler.processes, sampler.server)


def disturbed(scene: Scene, resumes: int, rng: random.Random, every_s: float) -> _Samples:
    """Run the job again; stop its producer at roughly even intervals."""
    with Sampler(scene.processes, scene.fleet.client, every_s) as sampler:
        for number in range(1, resumes + 1):
            producer = scene.classify("resumed")
            share = (number - rng.random() / 2) / (resumes + 1)
            producer.wait_until_done(int(scene.images * share))
            producer.signal(rng.choice([signal.SIGKILL, signal.SIGINT]))
            producer.wait()
        _check(scene.classify("resumed").wait(3600))
    return _Samples(sampler.processes, sampler.server)


def measure(images: int, batch_images: int, resumes: int, seed: int, every_s: float) -> Figures:
    """Run both jobs and compare."""
    with _scene(images, batch_images) as scene:
        started = time.monotonic()
        whole = undisturbed(scene, every_s)
        resumed = disturbed(scene, resumes, random.Random(seed), every_s)
        tables = [scene.output(name).read_bytes() for name in ("whole", "resumed")]
        if tables[0] != tables[1]:
            raise AssertionError("the resumed job has a different table")
        return Figures(
            images=images,
            batches=-(-images // batch_images),
            runs=resumes + 1,
            seconds=time.monotonic() - started,
            lines=[*_lines("whole", whole), *_lines("resumed", resumed)],
            keys_left=len(job_keys(scene.fleet.client)),
            rows=tables[0].count(b"\n") - 1,
        )


def _lines(part: str, samples: _Samples) -> Iterator[Line]:
    for name, of_name in samples.processes.items():
        if part == "resumed" and name == PRODUCER:
            continue  # a new process each time
        yield Line(part, f"{name}, PSS", *ends([one.pss for one in of_name]))
        yield Line(part, f"{name}, RSS", *ends([one.rss for one in of_name]))
        yield Line(part, f"{name}, descriptors", *ends([one.descriptors for one in of_name]))
    yield Line(part, "server, used_memory", *ends([one.used_bytes for one in samples.server]))
    yield Line(part, "keys", *ends([one.keys for one in samples.server]))


def _check(code: int) -> None:
    if code != Exit.OK:
        raise AssertionError(f"the job ended with {code}")


@contextmanager
def _scene(images: int, batch_images: int) -> Iterator[Scene]:
    with (
        tempfile.TemporaryDirectory(prefix="ht-memory-") as name,
        redirect_stdout(io.StringIO()),  # only tests need the processes' output
        RedisServer(server_binaries()[0]) as server,
        Fleet(server, XDG_STATE_HOME=name) as fleet,
    ):
        yield Scene(fleet, Path(name), images, batch_images)


def table(lines: Sequence[Line]) -> str:
    """A Markdown table, a row for each quantity. PSS, which follows RSS, is in the JSON file."""
    head = ("what", *(f"{part}, {end} tenth" for part in PARTS for end in ("first", "last")))
    names = dict.fromkeys(line.what for line in lines if not line.what.endswith("PSS"))
    return markdown(head, [_row(lines, what) for what in names])


def _row(lines: Sequence[Line], what: str) -> list[str]:
    counted = what.endswith(("descriptors", "keys"))
    of_part = {line.part: (line.first, line.last) for line in lines if line.what == what}
    cells = [
        "-" if end is None else f"{end:.0f}" if counted else f"{end / MB:.1f}"
        for part in PARTS
        for end in of_part.get(part, (None, None))
    ]
    return [what if counted else f"{what}, MB", *cells]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--batch-images", type=int, default=BATCH_IMAGES)
    parser.add_argument("--resumes", type=int, default=RESUMES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    note = machine.busy()
    found = measure(given.images, given.batch_images, given.resumes, given.seed, EVERY_S)
    print(
        f"{machine.place()}\n{found.images:,} images in {found.batches:,} batches, twice, "
        f"{found.runs} runs of the second, {found.seconds:,.0f} s; keys of jobs left: "
        f"{found.keys_left}\n\n{table(found.lines)}\n{note}",
        flush=True,
    )
    if given.json:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)))


if __name__ == "__main__":
    main()
