"""`make bench-photo-memory`: peak memory over photographs of 12 megapixels.

A training on a tenth of the photographs and one on all, then their classification, each on a stack
of its own. What does not grow with the job has the same peak in both columns.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.environment import machine
from benchmarks.environment.paths import DATA
from benchmarks.measure import local_stack
from benchmarks.measure.command import classify_command, run
from benchmarks.measure.process_watch import Watch
from benchmarks.report.figures import MB
from benchmarks.report.page_blocks import write_section
from benchmarks.report.tables import grouped, markdown
from benchmarks.workloads import photo_files
from benchmarks.workloads.networks import Network
from producer.machine.machine_resources import cores

HEADING = "## Memory over photographs of 12 megapixels"
PHOTOS = 10_000
#: A class needs a few photographs to be learned from.
LEAST = 100
ROLES = {
    "train": ("trainer child", "trainer parent", "Redis server"),
    "classify": ("worker child", "worker parent", "producer", "Redis server"),
}


class Peak(NamedTuple):
    """The largest process of a role during one command, in bytes."""

    command: str
    role: str
    images: int
    peak_bytes: int


def main() -> None:
    """Print the section, and write it into RESULTS.md after a complete run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.photo_memory", description=__doc__)
    parser.add_argument("--photos", type=int, default=PHOTOS, help="200 kB each; default: 10,000")
    given = parser.parse_args()
    counts = (max(LEAST, given.photos // 10), given.photos)
    found = [peak for count in counts for peak in measure(count)]
    text = section(found, counts)
    print(text)
    if given.photos == PHOTOS:
        write_section(text)


def measure(count: int) -> Iterator[Peak]:
    """Train on this number of photographs, then classify them."""
    folder = photo_files.make_camera(count)
    with local_stack.own() as (runtime, env):
        name = f"memory-{count}"
        # Before the training, whose own model is not yet there.
        network = photo_files.network(env)
        yield from _peaks("train", count, runtime, lambda: photo_files.train(folder, name, env))
        local_stack.down(env)
        local_stack.up(env, cores())
        yield from _peaks("classify", count, runtime, lambda: classify(folder, network, env))


def _peaks(command: str, count: int, runtime: Path, act: Callable[[], None]) -> Iterator[Peak]:
    with Watch(str(runtime)) as watch:
        act()
    for role in ROLES[command]:
        yield Peak(command, role, count, watch.peaks[role])


def classify(folder: Path, network: Network, env: Mapping[str, str]) -> None:
    """Classify the photographs; their table has a row for each."""
    output = DATA / f"{folder.name}.csv"
    command = classify_command(folder.name, output, network.model, "--restart")
    done = run(command, env)
    if done.report["failed"]:
        raise AssertionError(f"{done.report['failed']} photographs have no label")


def section(found: list[Peak], counts: tuple[int, int]) -> str:
    """The section of RESULTS.md."""
    head = ("command", "process", *(f"{count:,} photographs, MB" for count in counts))
    return "\n\n".join([
        HEADING,
        "    make bench-photo-memory",
        f"{datetime.now(UTC).date().isoformat()}, {machine.place()}",
        f"JPEG files of {photo_files.CAMERA_PIXELS[0]}x{photo_files.CAMERA_PIXELS[1]} pixels, "
        f"recipe {photo_files.RECIPE}. Peak of the\nlargest process of each kind.",
        markdown(head, grouped(_lines(found, counts))),
        f"The trainer needs {_growth_bytes(found, counts) / 1000:.0f} kB more for each photograph.",
    ]) + "\n"  # fmt: skip


def _growth_bytes(found: list[Peak], counts: tuple[int, int]) -> float:
    """Of the trainer's child, for each photograph."""
    few, many = (
        next(p.peak_bytes for p in found if (p.role, p.images) == ("trainer child", count))
        for count in counts
    )
    return (many - few) / (counts[1] - counts[0])


def _lines(found: list[Peak], counts: tuple[int, int]) -> Iterator[list[str]]:
    known = {(peak.command, peak.role, peak.images): peak.peak_bytes for peak in found}
    for command, roles in ROLES.items():
        for role in roles:
            cells = (f"{known[command, role, count] / MB:,.0f}" for count in counts)
            yield [command, role, *cells]


if __name__ == "__main__":
    main()
