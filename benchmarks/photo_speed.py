"""`make bench-photo-speed`: photographs through the queue, beside a bare loop and Keras.

All take turns on the same files and the same network: the loop of bench's `bare`, `hangtag
classify` with both transports on one warm stack, and Keras' `image_dataset_from_directory` with
`predict`. Each repeat starts with another one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.contenders.keras_dataset import PHOTO_WAYS
from benchmarks.environment import machine
from benchmarks.environment.paths import DATA, ROOT, TRACE, environment, runtime_folder
from benchmarks.measure import local_stack
from benchmarks.measure.command import Failed, classify_command, run
from benchmarks.measure.process_watch import Watch
from benchmarks.report.agreement import differences
from benchmarks.report.figures import MB
from benchmarks.report.goals import Goal
from benchmarks.report.results import middle
from benchmarks.report.tables import goal_table, markdown
from benchmarks.report.training_table import replaced
from benchmarks.workloads import photo_files
from benchmarks.workloads.networks import Network
from producer.fleet.machine_resources import cores
from shared.messages.files import INLINE, PATH

HEADING = "## Speed on photographs"
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
PHOTOS, REPEATS, QUICK_PHOTOS = 3_000, 5, 200
BARE, KERAS = "bare loop", "Keras"
WAYS = (BARE, INLINE, PATH, KERAS)
#: Of the bare loop's images/s, through the queue; of a worker process, in MB.
GOAL_SHARE, GOAL_CHILD_MB = 0.9, 160
CHILD = {BARE: "bare loop, child", KERAS: "Keras"}


class Turn(NamedTuple):
    """One pass over the photographs: seconds of work, and the largest process in bytes."""

    way: str
    repeat: int
    images: int
    work_s: float
    child_bytes: int


class Scene(NamedTuple):
    """What all passes have in common."""

    runtime: Path
    network: Network
    folder: Path
    workers: int

    def turn(self, way: str, repeat: int, keras: Mapping[str, object]) -> Turn:
        """One pass."""
        trace = str(DATA / "trace.json")
        with Watch(str(self.runtime)) as watch:
            env = {**environment(self.runtime), TRACE: trace}
            done = run(self._command(way, keras), env)
        work_s = done.report["work_s" if way in CHILD else "seconds"]
        peak = watch.peaks[CHILD.get(way, "worker child")]
        turn = Turn(way, repeat, int(done.report["images"]), work_s, peak)
        print(json.dumps(turn._asdict()), file=sys.stderr, flush=True)
        return turn

    def _command(self, way: str, keras: Mapping[str, object]) -> list[str]:
        python = [sys.executable, "-m"]
        files = [self.folder.name, "-o", self.output(way).name, "--model"]
        if way == BARE:
            own = [str(self.network.folder), "--workers", str(self.workers)]
            return [*python, "benchmarks.contenders.bare_loop", *files, *own]
        if way == KERAS:
            jit = ["--jit"] if keras["jit"] else []
            own = [str(self.network.folder), "--batch", str(keras["batch"]), *jit]
            return [*python, "benchmarks.contenders.keras_dataset", *files, *own]
        options = ("--transport", way, "--restart")
        model = self.network.model
        return classify_command(self.folder.name, self.output(way), model, *options)

    def output(self, way: str) -> Path:
        """The table of a way."""
        return DATA / f"{way.replace(' ', '-')}-{self.folder.name}.csv"

    def keras_way(self, quick: bool) -> dict[str, object]:
        """The fastest way to call Keras, or any of them."""
        any_way: dict[str, object] = PHOTO_WAYS[0]._asdict()
        if quick:
            return any_way
        return run([*self._command(KERAS, any_way), "--probe"], environment(self.runtime)).report


def main() -> int:
    """Print the section, and write it into RESULTS.md after a complete run on an idle machine.

    Exit code 1 if a goal was missed in such a run.
    """
    given = _parser().parse_args()
    photos, repeats = (QUICK_PHOTOS, 1) if given.quick else (given.photos, given.repeats)
    busy = machine.busy()
    with runtime_folder() as runtime:
        try:
            found, about = _measured(runtime, photos, repeats, given.workers)
        finally:
            local_stack.end(environment(runtime), str(runtime))
    text = section(found, about, busy)
    print(text)
    if given.json:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    if busy or (photos, repeats) != (PHOTOS, REPEATS):
        return 0
    old = RESULTS.read_text(encoding="utf-8")
    RESULTS.write_text(replaced(old, text, HEADING), encoding="utf-8")
    return int(not all(goal.reached for goal in goals(found)))


def _measured(runtime: Path, photos: int, repeats: int, workers: int) -> tuple[list[Turn], str]:
    env = environment(runtime)
    network, folder = photo_files.network(env), photo_files.make(photo_files.SMALL, photos)
    scene = Scene(runtime, network, folder, workers)
    local_stack.up(env, workers)
    found = list(turns(scene, repeats))
    return found, machine.describe(local_stack.server_version(runtime), "")


def turns(scene: Scene, repeats: int) -> Iterator[Turn]:
    """All passes, after an uncounted one of each way, which loads the model and the files."""
    keras = scene.keras_way(quick=repeats == 1)
    for repeat in range(-1, repeats):
        start = repeat % len(WAYS)
        for way in (*WAYS[start:], *WAYS[:start]):
            turn = scene.turn(way, repeat, keras)
            if repeat >= 0:
                yield turn
        for way in (INLINE, PATH):
            words = differences(scene.output(way), scene.output(BARE))
            if words != "the same bytes":
                raise Failed(f"{way} and the bare loop: {words}")


def section(found: list[Turn], about: str, busy: str) -> str:
    """The section of RESULTS.md."""
    images = found[0].images
    parts = [
        f"{HEADING}, {datetime.now(UTC).date().isoformat()}",
        "    make bench-photo-speed",
        about,
        f"{images:,} JPEG files of 400x534 pixels in ten folders, a photo model (224 pixels,\n"
        "int8). Work without imports and loading. `x` is the median of the ratio to the bare loop\n"
        "within a repeat.",
        table(found),
        goal_table(goals(found)),
        busy,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(found: list[Turn]) -> str:
    """A line for each way."""
    head = ("way", "images/s", "x", "largest process, MB")
    return markdown(head, [_line(found, way) for way in WAYS])


def _line(found: list[Turn], way: str) -> list[str]:
    mine = [turn for turn in found if turn.way == way]
    rate = middle(turn.images / turn.work_s for turn in mine) or 0
    peak = max(turn.child_bytes for turn in mine)
    return [way, f"{rate:,.0f}", f"{ratio(found, way):.2f}", f"{peak / MB:,.0f}"]


def ratio(found: list[Turn], way: str) -> float:
    """The median of images/s relative to the bare loop, within a repeat."""
    bare = {turn.repeat: turn.work_s for turn in found if turn.way == BARE}
    return middle(bare[turn.repeat] / turn.work_s for turn in found if turn.way == way) or 0


def goals(found: list[Turn]) -> list[Goal]:
    """The promises of photo models."""
    child = max(turn.child_bytes for turn in found if turn.way in (INLINE, PATH)) / MB
    shares = [
        Goal(f"{way}: images/s of the bare loop", ratio(found, way), GOAL_SHARE)
        for way in (INLINE, PATH)
    ]
    return [*shares, Goal("a worker process", child, GOAL_CHILD_MB, at_most=True, unit=" MB")]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.photo_speed", description=__doc__)
    parser.add_argument("--photos", type=int, default=PHOTOS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--workers", type=int, default=cores(), help="default: one per core")
    parser.add_argument("--quick", action="store_true",
        help=f"{QUICK_PHOTOS} photographs, once; for a check of the benchmark")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="store every pass")
    return parser


if __name__ == "__main__":
    sys.exit(main())
