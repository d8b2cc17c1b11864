"""`python -m benchmarks.archives`: jobs of archives beside their folder, and hostile archives.

The same images are classified from a folder, a zip, a tar and a compressed tar, in turns on one
warm stack. Each archive that is damaged or attacks its reader is read alone, in a process of its
own: all of its rows, and what their bytes are.
"""

from __future__ import annotations

import argparse
import io
import json
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import date
from pathlib import Path

from benchmarks.environment import machine
from benchmarks.environment.paths import DATA, environment
from benchmarks.measure import local_stack
from benchmarks.measure.command import Failed, classify_command, run
from benchmarks.measure.peak_memory import peak_bytes
from benchmarks.measure.process_watch import Watch
from benchmarks.report.page_blocks import write_blocks
from benchmarks.report.results import middle
from benchmarks.report.tables import markdown
from benchmarks.workloads import images, networks
from benchmarks.workloads.networks import Network
from producer.job.job_options import JobOptions
from producer.machine.machine_resources import cores
from producer.sources.archives.archive import MEMBERS_MAX
from producer.sources.job_sources import JobSources, Walk
from shared.errors import SetupError
from shared.messages.batch import MAX_FILE_BYTES
from tests.support.archives.hostile_archives import HOSTILE, block, gzipped, made

IMAGES, REPEATS = 50_000, 3
ENDINGS = (".zip", ".tar", ".tar.gz")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    given = _parser().parse_args(arguments)
    if given.alone:
        alone(Path(given.alone))
        return
    blocks = {}
    if given.images:
        blocks["jobs"] = jobs(given.images, given.repeats, given.workers)
    blocks["hostile"] = hostile()
    print(*blocks.values(), sep="\n\n")
    if given.write:
        write_blocks("archives", blocks)


def jobs(count: int, repeats: int, workers: int) -> str:
    """A line for each kind."""
    folder, busy = images.make(count), machine.busy()
    inputs = [folder.name, *(_packed(folder, ending) for ending in ENDINGS)]
    cells: dict[str, list[tuple[float, ...]]] = {name: [] for name in inputs}
    with local_stack.own() as (runtime, env):
        network = networks.dense(env)
        local_stack.up(env, workers)
        for repeat in range(-1, repeats):
            turns = inputs[:: 1 if repeat % 2 else -1]
            for name in turns if repeat >= 0 else inputs[:1]:  # the first one loads the model
                figures = _job(runtime, network, name)
                if repeat >= 0:
                    cells[name].append(figures)
        server = local_stack.server_version(runtime)
    _compare(inputs)
    head = ("input", "images/s", "producer, us per image", "producer, MB")
    lines = [
        [name, *(f"{middle(column) or 0:,.{digits}f}" for column, digits in columns(runs))]
        for name, runs in cells.items()
    ]
    return f"{_origin()}, {server}. {busy}\n\n{markdown(head, lines)}"


def _origin() -> str:
    return f"{date.today()}, {machine.place()}"


def columns(runs: list[tuple[float, ...]]) -> Iterator[tuple[Sequence[float], int]]:
    """The figures of all runs, one column after the other, and their digits."""
    yield from zip(zip(*runs, strict=True), (0, 1, 0), strict=True)


def _job(runtime: Path, network: Network, name: str) -> tuple[float, ...]:
    command = classify_command(name, _table(name), network.model, "--restart")
    with Watch(str(runtime)) as watch:
        done = run(command, environment(runtime))
    count, seconds = done.report["images"], done.report["seconds"]
    cpu_us = 1e6 * watch.cpu_s.get("producer", 0) / count
    found = (count / seconds, cpu_us, watch.peaks["producer"] / 1e6)
    print(json.dumps([name, *found]), file=sys.stderr, flush=True)
    return found


def _table(name: str) -> Path:
    return DATA / f"archives-{name}.csv"


def _compare(inputs: Sequence[str]) -> None:
    """Raises Failed if an archive's rows are not those of the folder."""

    def rows(name: str) -> list[str]:
        lines = _table(name).read_text().splitlines()[1:]
        return sorted(line.removeprefix(f"{name}/") for line in lines)

    first, *others = inputs
    for other in others:
        if rows(other) != rows(first):
            raise Failed(f"{other} has other rows than {first}")


def _packed(folder: Path, ending: str) -> str:
    """An archive of the folder, made once."""
    archive = folder.with_name(folder.name + ending)
    if not archive.exists():
        part = archive.with_name(f"part{ending}")
        paths = sorted(folder.rglob("*.png"))
        if ending == ".zip":
            with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as to:
                for path in paths:
                    to.write(path, path.relative_to(folder))
        else:
            with tarfile.open(part, "w:gz" if ending == ".tar.gz" else "w") as tar:
                for path in paths:
                    tar.add(path, str(path.relative_to(folder)))
        part.rename(archive)
    archive.read_bytes()  # into the page cache
    return archive.name


def _zip_of(count: int) -> bytes:
    """A zip archive with a directory, and nothing that it names."""
    entries = io.BytesIO()
    for number in range(count):
        name = b"%07d.png" % number
        head = struct.pack("<6H3L5H2L", 20, 20, 0, 0, 0, 0, 0, 1, 1, len(name), *[0] * 6)
        entries.write(b"PK\1\2" + head + name)
    size = entries.tell()
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, size, 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *[0xFFFF] * 2, *[0xFFFFFFFF] * 2, 0)
    return entries.getvalue() + end64 + locator + end


#: What most hostile archives cost at most.
CHEAP_S, CHEAP_MB = 0.1, 1.0
#: Too slow for the tests that read every row of the others.
LARGE: dict[str, tuple[str, Callable[[], bytes]]] = {
    f"a zip of {MEMBERS_MAX:,} members": (".zip", lambda: _zip_of(MEMBERS_MAX)),
    f"a zip of {MEMBERS_MAX + 1:,} members": (".zip", lambda: _zip_of(MEMBERS_MAX + 1)),
    f"a tar.gz of {MEMBERS_MAX + 1:,} members": (
        ".tar.gz",
        lambda: gzipped(block(b"a.png", 0) * (MEMBERS_MAX + 1) + bytes(1024)),
    ),
}


def hostile() -> str:
    """A line for each archive that costs more than the others, and how many these are."""
    head = ("archive", "seconds", "memory, MB")
    lines = list(_lines())
    costly = [line for line in lines if float(line[1]) > CHEAP_S or float(line[2]) > CHEAP_MB]
    others = f"{len(lines) - len(costly)} others took at most {CHEAP_S} s and {CHEAP_MB} MB each"
    return f"{_origin()}; processor seconds. {others}.\n\n{markdown(head, costly)}"


def _lines() -> Iterator[list[str]]:
    image = next(images.make(6_000).rglob("*.png")).read_bytes()
    all_made = {name: (each.ending, made, (name, image)) for name, each in HOSTILE.items()}
    large = {name: (ending, make, ()) for name, (ending, make) in LARGE.items()}
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder, "empty.zip")
        empty.write_bytes(b"PK\5\6" + bytes(18))
        base = _read(empty)[1]
        for name, (ending, make, given) in (all_made | large).items():
            archive = Path(folder, f"photos{ending}")
            archive.write_bytes(make(*given))
            seconds, memory = _read(archive)
            yield [name, f"{seconds:.2f}", f"{(memory - base) / 1e6:.1f}"]


def _read(archive: Path) -> tuple[float, int]:
    command = [sys.executable, "-m", "benchmarks.archives", "--alone", str(archive)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, memory = json.loads(found.stdout)
    return seconds, memory


def alone(archive: Path) -> None:
    """Read every row; print the processor seconds and the bytes of memory."""
    start = time.process_time()
    sources = JobSources(JobOptions((bytes(archive),), b"/", ""))
    with closing(sources), suppress(SetupError):
        sources.check()
        for _, name in Walk(sources, lambda folder, why: None).paths():
            sources.source_of(name).read(name, MAX_FILE_BYTES)
    print(json.dumps([time.process_time() - start, peak_bytes()]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.archives", description=__doc__)
    parser.add_argument("--images", type=int, default=IMAGES, help="of 28x28, PNG; 0: none")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--workers", type=int, default=cores(), help="default: one per core")
    parser.add_argument("--write", action="store_true", help="write the tables to RESULTS.md, too")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()
