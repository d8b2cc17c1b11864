"""`python -m benchmarks.transport`: `path` (workers open the files), `inline` and `auto`.

They take turns on one warm stack, in each repeat on the same images; each repeat
reverses the order. Their tables must have the same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.environment import machine
from benchmarks.environment.paths import DATA, TRACE, environment
from benchmarks.measure import local_stack
from benchmarks.measure.command import Failed, classify_command, run
from benchmarks.measure.process_watch import Watch
from benchmarks.report.agreement import differences
from benchmarks.report.results import middle
from benchmarks.report.tables import markdown
from benchmarks.workloads import images, networks, photo_files
from benchmarks.workloads.networks import Network
from benchmarks.workloads.photo_files import Kind
from producer.machine.machine_resources import cores
from shared.broker.runtime_paths import log_path
from shared.messages.files import INLINE, TRANSPORTS, UNSEEN
from shared.settings import Settings

#: Files of 170 kB on average.
PHOTOS = Kind("1760x1320", (1760, 1320))
ROLES = ("producer", "worker child", "Redis server")


class Turn(NamedTuple):
    """One job: seconds of work, and processor time by role in seconds."""

    pictures: str
    transport: str
    repeat: int
    images: int
    work_s: float
    cpu_s: Mapping[str, float]


def main() -> None:
    """Print the table; --json stores every run."""
    given = _parser().parse_args()
    folders = [images.make(given.images), photo_files.make(PHOTOS, given.photos)]
    for folder in folders:
        print(f"{folder.name}: {_size(folder):,.0f} bytes per file", file=sys.stderr)
    busy = machine.busy()
    with local_stack.own() as (runtime, env):
        network = networks.dense(env)
        local_stack.up(env, given.workers)
        found = list(turns(runtime, network, folders, given.repeats))
        server = local_stack.server_version(runtime)
    print(f"{machine.describe(server, '')}\n\n{table(found)}")
    print(f"\n`x` is the median of the ratio to inline within a repeat. {busy}")
    if given.json:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)))


def turns(runtime: Path, network: Network, folders: list[Path], repeats: int) -> Iterator[Turn]:
    """Run every job, after an uncounted one of each kind, which loads the model and the files."""
    for repeat in range(-1, repeats):
        for folder in folders:
            both = TRANSPORTS if repeat % 2 else TRANSPORTS[::-1]
            pair = [_turn(runtime, network, folder, transport, repeat) for transport in both]
            first, *others = (_output(folder, transport) for transport in TRANSPORTS)
            for other in others:
                if (words := differences(first, other)) != "the same bytes":
                    raise Failed(f"{first.name} and {other.name}: {words}")
            yield from (turn for turn in pair if repeat >= 0)


def _turn(runtime: Path, network: Network, folder: Path, transport: str, repeat: int) -> Turn:
    output, trace = _output(folder, transport), DATA / "trace.json"
    options = ("--transport", transport, "--restart")
    command = classify_command(folder.name, output, network.model, *options)
    with Watch(str(runtime)) as watch:
        done = run(command, {**environment(runtime), TRACE: str(trace)})
    if UNSEEN in log_path(Settings.from_env(environment(runtime))).read_text(errors="replace"):
        raise Failed("a worker could not open the files and received their bytes")
    turn = Turn(
        folder.name, transport, repeat, done.report["images"], done.report["seconds"], watch.cpu_s
    )
    print(json.dumps(turn._asdict()), file=sys.stderr, flush=True)
    return turn


def table(found: list[Turn]) -> str:
    """A line for each image folder and transport."""
    head = ("images", "transport", "images/s", "x", *(f"{role}, us per image" for role in ROLES))
    kinds = dict.fromkeys(turn.pictures for turn in found)
    return markdown(head, (_line(found, kind, way) for kind in kinds for way in TRANSPORTS))


def _line(found: list[Turn], kind: str, transport: str) -> list[str]:
    mine = [turn for turn in found if (turn.pictures, turn.transport) == (kind, transport)]
    inline = {t.repeat: t.work_s for t in found if (t.pictures, t.transport) == (kind, INLINE)}
    rate = middle(turn.images / turn.work_s for turn in mine) or 0
    ratio = middle(inline[turn.repeat] / turn.work_s for turn in mine) or 0
    each = [middle(1e6 * t.cpu_s.get(role, 0) / t.images for t in mine) or 0 for role in ROLES]
    x = "" if transport == INLINE else f"{ratio:.2f}"
    return [kind, transport, f"{rate:,.0f}", x, *(f"{cpu:.1f}" for cpu in each)]


def _output(folder: Path, transport: str) -> Path:
    return DATA / f"{transport}-{folder.name}.csv"


def _size(folder: Path) -> float:
    """Bytes per file. Reads all files into the page cache, so that no contender reads the disk."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sum(len(path.read_bytes()) for path in files) / len(files)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transport", description=__doc__)
    parser.add_argument("--images", type=int, default=images.ALL, help="of 28x28, PNG")
    parser.add_argument("--photos", type=int, default=1_500, help="of 170 kB, JPEG")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workers", type=int, default=cores(), help="default: one per core")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser


if __name__ == "__main__":
    main()
