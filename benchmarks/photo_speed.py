"""`make bench-photo-speed`: photographs through the queue, beside a bare loop.

All take turns on the same files and the same version: the loop of bench's `bare`, and `hangtag
classify` with both transports on one warm stack. Each repeat starts with another one. A version
with two looks, the default, is measured first, then one with one look. A folder of real photos, a
folder for each class, takes the place of synthetic ones. With HEIC photos of a phone, these follow,
and JPEG files of the same pictures, both with two looks.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.environment import machine
from benchmarks.environment.paths import DATA, ROOT, environment
from benchmarks.measure import local_stack
from benchmarks.measure.command import Failed, classify_command, run
from benchmarks.measure.process_watch import Watch
from benchmarks.report.agreement import differences
from benchmarks.report.blocks import TEN, core_hours, wrapped
from benchmarks.report.figures import MB
from benchmarks.report.goals import Goal, verdict
from benchmarks.report.page_blocks import write_blocks, write_section
from benchmarks.report.results import middle
from benchmarks.report.tables import grouped, markdown
from benchmarks.workloads import photo_files
from benchmarks.workloads.networks import Network
from producer.machine.machine_resources import cores
from shared.messages.files import INLINE, PATH
from shared.messages.model_card import Card, decode_card
from shared.messages.training import Serve
from tests.steps import inputs

HEADING = "## Speed on photographs"
README = ROOT / "README.md"
#: Of the block in README.
KIND, NAME = "photo-speed", "summary"
PHOTOS, REPEATS, QUICK_PHOTOS = 3_000, 3, 200
#: Of a phone, which take up to a hundred times as long.
PHONE_PHOTOS = 120
BARE = "bare loop"
WAYS = (BARE, INLINE, PATH)
SERVED: tuple[Serve, ...] = ("auto", "fast")
#: Of the bare loop's images/s, through the queue; of a worker process, in MB.
GOAL_SHARES, GOAL_CHILD_MB = {INLINE: 0.9, PATH: 0.95}, 140
CHILD = {BARE: "bare loop, child"}


class Turn(NamedTuple):
    """One pass over the photographs: seconds of work, and the largest process in bytes."""

    way: str
    repeat: int
    images: int
    work_s: float
    child_bytes: int


class Passes(NamedTuple):
    """All passes over a folder of photos with one version."""

    kind: str  #: of the photos
    about: str  #: their number and sizes
    card: Card
    turns: list[Turn]

    @property
    def looks(self) -> str:
        """The number of its looks, and the share of photos that it looked at twice in training."""
        share = f" ({self.card.second_pass_share:.0%} twice)"
        return f"{len(self.card.looks)}{share if len(self.card.looks) > 1 else ''}"


class Scene(NamedTuple):
    """What all passes have in common."""

    runtime: Path
    network: Network
    folder: Path
    workers: int

    def turn(self, way: str, repeat: int) -> Turn:
        """One pass."""
        with Watch(str(self.runtime)) as watch:
            done = run(self._command(way), environment(self.runtime))
        work_s = done.report["work_s" if way in CHILD else "seconds"]
        peak = watch.peaks[CHILD.get(way, "worker child")]
        turn = Turn(way, repeat, int(done.report["images"]), work_s, peak)
        print(json.dumps(turn._asdict()), file=sys.stderr, flush=True)
        return turn

    def _command(self, way: str) -> list[str]:
        files = [self.folder.name, "-o", self.output(way).name, "--model"]
        if way == BARE:
            own = [str(self.network.folder), "--workers", str(self.workers)]
            return [sys.executable, "-m", "benchmarks.contenders.bare_loop", *files, *own]
        options = ("--transport", way, "--restart")
        model = self.network.model
        return classify_command(self.folder.name, self.output(way), model, *options)

    def output(self, way: str) -> Path:
        """The table of a way."""
        return DATA / f"{way.replace(' ', '-')}-{self.folder.name}.csv"


def main() -> int:
    """Print the section and README's line, and write them after a complete run on an idle machine.

    Exit code 1 if a goal was missed in such a run.
    """
    given = _parser().parse_args()
    photos, repeats = (QUICK_PHOTOS, 1) if given.quick else (given.photos, given.repeats)
    busy = machine.busy()
    with local_stack.own() as (runtime, _):
        found = list(_measured(runtime, given, photos, repeats))
    text, line = section(found, given.workers, busy), summary(found, given.workers)
    print(text, line, sep="\n")
    if given.json:
        turns = [version.turns for version in found]
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(turns)))
    if busy or (photos, repeats) != (PHOTOS, REPEATS):
        return 0
    write_section(text)
    write_blocks(KIND, {NAME: line}, README)
    return int(not all(goal.reached for goal in goals(found)))


def _measured(
    runtime: Path, given: argparse.Namespace, photos: int, repeats: int
) -> Iterator[Passes]:
    """The passes with two looks and with one, and with two over the photos of a phone."""
    env, real = environment(runtime), given.folder
    default, fast = (photo_files.network(env, real, serve) for serve in SERVED)
    small = photo_files.real(real, photos) if real else photo_files.make(photo_files.SMALL, photos)
    kind = "real" if real else "synthetic"
    tasks = [(kind, small, default), (kind, small, fast)]
    if given.phone:
        few = min(photos, PHONE_PHOTOS)
        tasks.append(("HEIC", photo_files.real(given.phone, few), default))
        tasks.append(("JPEG", photo_files.real(photo_files.as_jpeg(given.phone), few), default))
    local_stack.up(env, given.workers)
    for kind, folder, network in tasks:
        card = decode_card((network.folder / "card.json").read_bytes())
        scene = Scene(runtime, network, folder, given.workers)
        passes = list(turns(scene, repeats))
        about = f"{passes[0].images:,} {kind} photos of {photo_files.about(folder)}"
        yield Passes(kind, about, card, passes)


def turns(scene: Scene, repeats: int) -> Iterator[Turn]:
    """All passes, after an uncounted one of each way, which loads the model and the files."""
    for repeat in range(-1, repeats):
        start = repeat % len(WAYS)
        for way in (*WAYS[start:], *WAYS[:start]):
            turn = scene.turn(way, repeat)
            if repeat >= 0:
                yield turn
        for way in (INLINE, PATH):
            words = differences(scene.output(way), scene.output(BARE))
            if words != "the same bytes":
                raise Failed(f"{way} and the bare loop: {words}")


def section(found: list[Passes], workers: int, busy: str) -> str:
    """The section of RESULTS.md."""
    head = ("photos, looks", "way", "images/s", "core-hours", "x", "largest process, MB")
    lines = (
        (f"{passes.kind}, {passes.looks}", *line)
        for passes in found
        for line in _lines(passes.turns, workers)
    )
    photos = ". ".join(dict.fromkeys(passes.about for passes in found))
    parts = [
        HEADING,
        "    python -m benchmarks.photo_speed PHOTOS --phone HEIC_PHOTOS",
        wrapped(
            f"{datetime.now(UTC).date().isoformat()}, {machine.place()}. {photos}. Work without "
            "imports and loading; `x` is the median ratio to the bare loop within a repeat, "
            "core-hours are those of a million. Two looks are the default, one is `train --serve "
            "fast`."
        ),
        markdown(head, grouped(lines)),
        wrapped(verdict(list(goals(found)))),
        busy,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def summary(found: list[Passes], workers: int) -> str:
    """README's line on photos."""
    default, fast, *phone = found
    rate, once = _rate(default.turns, PATH), _rate(fast.turns, PATH)
    origin = f"{datetime.now(UTC).date().isoformat()}, commit {inputs.commit()}, {machine.place()}"
    text = (
        f"* **Photos**: {_number(rate)} images/s on {workers} cores, "
        f"{_number(core_hours(rate, workers))} core-hours per million ({default.about}, two looks, "
        f"int8), {ratio(default.turns, PATH):.2f} of the same loop without a queue, both without "
        f"their start; {_number(once)} images/s with one look."
    )
    for passes in phone:
        rate = _rate(passes.turns, PATH)
        hours = _number(core_hours(rate, workers))
        text += f" {passes.about}: {_number(rate)} images/s, {hours} core-hours."
    return f"{wrapped(text, subsequent_indent='  ')}\n{wrapped(f'<!-- {origin} -->')}"


def _lines(turns: list[Turn], workers: int) -> Iterator[tuple[str, ...]]:
    for way in WAYS:
        peak = max(turn.child_bytes for turn in turns if turn.way == way)
        rate, beside = _rate(turns, way), ratio(turns, way)
        hours = _number(core_hours(rate, workers))
        yield way, _number(rate), hours, f"{beside:.2f}", f"{peak / MB:,.0f}"


def _number(value: float) -> str:
    """With two digits at least."""
    return f"{value:.1f}" if value < TEN else f"{value:,.0f}"


def _rate(found: list[Turn], way: str) -> float:
    """Images/s, the median of the repeats."""
    return middle(turn.images / turn.work_s for turn in found if turn.way == way) or 0


def ratio(found: list[Turn], way: str) -> float:
    """The median of images/s relative to the bare loop, within a repeat."""
    bare = {turn.repeat: turn.work_s for turn in found if turn.way == BARE}
    return middle(bare[turn.repeat] / turn.work_s for turn in found if turn.way == way) or 0


def goals(found: list[Passes]) -> Iterator[Goal]:
    """The promises of photo models, for small photos."""
    for version in found[: len(SERVED)]:
        looks, turns = f"looks {len(version.card.looks)}", version.turns
        for way, least in GOAL_SHARES.items():
            yield Goal(f"{looks}, {way}: x", ratio(turns, way), least)
        child = max(turn.child_bytes for turn in turns if turn.way in (INLINE, PATH)) / MB
        yield Goal(f"{looks}, a worker process", child, GOAL_CHILD_MB, at_most=True, unit=" MB")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.photo_speed", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="real photos; default: synthetic ones")
    parser.add_argument("--phone", type=Path, metavar="FOLDER", help="HEIC photos of a phone")
    parser.add_argument("--photos", type=int, default=PHOTOS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--workers", type=int, default=cores(), help="default: one per core")
    parser.add_argument("--quick", action="store_true",
        help=f"{QUICK_PHOTOS} photographs, once; for a check of the benchmark")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="store every pass")
    return parser


if __name__ == "__main__":
    sys.exit(main())
