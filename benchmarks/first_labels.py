"""`make bench-label PHOTOS=DIR`: what simulated persons reach with `hangtag label`, beside naming
one photo at a time, and whether what the page states is true.

DIR has a folder for each class, or train/ and test/ with such folders; only the persons know them.
The photos are linked to one folder with names that say nothing. The persons answer what the
functions behind the page show, in this process.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pickle
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.environment import machine
from benchmarks.measure import local_stack
from benchmarks.measure.simulated_person import (
    PERSONS,
    Photos,
    Reached,
    SessionPages,
    answered,
    by_chance,
    reached,
)
from benchmarks.workloads.labelled_photos import linked
from producer.people.folder_images import computed
from shared.messages.replies import decode_features
from shared.settings import Settings

MARKS = (120, 200, 300)
DRAWS = 30
#: Accepted photos are to be right as often; no draw that accepts this number may be right less
#: often than the second share.
ACCEPTED_RIGHT, MANY_ACCEPTED, LEAST_RIGHT = 0.95, 40, 0.90
SPLITS = ("train", "validation", "val", "test")


def main() -> int:
    """Print a table for each person, and for labelling one photo at a time."""
    given = _parser().parse_args()
    with (
        local_stack.own() as (_, env),
        tempfile.TemporaryDirectory(prefix="hangtag-") as name,
    ):
        env["HANGTAG_STORE"] = str(given.store or f"{name}/store")
        os.environ.update(env)
        folder = Path(name) / "0"
        truths = write_unsorted(given.photos, folder / "photos")
        photos = read(folder / "photos", truths)
    print(f"{len(photos.truth):,} photos, {len(set(truths.values()))} classes")
    draws = range(given.first, given.first + given.draws)
    for way in [*(given.person or PERSONS), "one at a time"]:
        rows = list(_runs(photos, way, draws))
        for mark in MARKS:
            print(_line(way, mark, [row for row in rows if row.mark == mark]), flush=True)
        if given.json:
            with given.json.open("a") as file:
                file.writelines(json.dumps(row.record()) + "\n" for row in rows)
    print(f"({machine.place()})")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--person", choices=PERSONS, action="append", help="default: each")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--first", type=int, default=1, help="the number of the first draw")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append a line a mark and draw")
    parser.add_argument("--store", type=Path, help="keeps the photos' features")
    return parser


class Row(NamedTuple):
    """A draw at a mark: after the first page that reached this number of decisions, or the end."""

    person: str
    draw: int
    mark: int
    decisions: int
    then: Reached

    def record(self) -> dict[str, Any]:
        """As a line of JSON."""
        then = self.then
        return {
            "person": self.person, "draw": self.draw, "decisions": self.decisions,
            "named": then.named, "drawn_by_chance": then.drawn, "right": then.right,
            "right_of_others": then.right_of_others, "stated": then.stated,
            "stated_low": then.low, "stated_high": then.high, "accepted": then.accepted,
            "right_among_accepted": then.right_among_accepted,
        }  # fmt: skip


def _runs(photos: Photos, way: str, draws: Sequence[int]) -> Iterator[Row]:
    run = _one_at_a_time if way == "one at a time" else partial(_on_pages, person=way)
    with ProcessPoolExecutor(
        os.cpu_count(), initializer=_give, initargs=(pickle.dumps(photos),)
    ) as pool:
        for rows in pool.map(run, draws):
            yield from rows


_photos: list[Photos] = []  #: of a process of the pool


def _give(photos: bytes) -> None:
    os.nice(5)
    _photos.append(pickle.loads(photos))


def _one_at_a_time(draw: int) -> list[Row]:
    photos = _photos[0]
    order = list(islice(by_chance(photos, draw), MARKS[-1]))
    after = zip(MARKS, reached(photos, order, MARKS), strict=True)
    return [Row("one at a time", draw, mark, mark, then) for mark, then in after]


def _on_pages(draw: int, person: str) -> list[Row]:
    pages, left, rows = SessionPages(_photos[0], draw), list(MARKS), list[Row]()
    decisions = 0
    for decisions in answered(pages, _photos[0], person, draw):
        while left and decisions >= left[0]:
            rows.append(Row(person, draw, left.pop(0), decisions, pages.reached()))
        if not left:
            break
    return [*rows, *(Row(person, draw, mark, decisions, pages.reached()) for mark in left)]


def _line(way: str, mark: int, rows: Sequence[Row]) -> str:
    """What the draws reached at a mark, in the mean."""
    runs = [row.then for row in rows]
    stated = [one for one in runs if one.stated is not None and one.right_of_others is not None]
    errors = [(one.stated or 0) - (one.right_of_others or 0) for one in stated]
    held = sum((one.low or 0) <= (one.right_of_others or 0) <= (one.high or 0) for one in stated)
    widest = max(((one.high or 0) - (one.low or 0)) / 2 for one in stated) if stated else 0.0
    accepting = [(one.accepted, one.right_among_accepted or 0) for one in runs if one.accepted]
    accepted = sum(count for count, _ in accepting)
    right = sum(count * share for count, share in accepting) / max(1, accepted)
    good = sum(share >= ACCEPTED_RIGHT for _, share in accepting)
    bad = sum(count >= MANY_ACCEPTED and share < LEAST_RIGHT for count, share in accepting)
    others = [one.right_of_others for one in runs if one.right_of_others is not None]
    return (
        f"{way:13} {mark:3}  right {_mean([one.right for one in runs])}, "
        f"of others {_mean(others)}, "
        f"named {np.mean([one.named for one in runs]):.0f}, "
        f"drawn {np.mean([one.drawn for one in runs]):.0f} "
        f"(least {min(one.drawn for one in runs)}); stated {_mean(errors, sign='+')} from the "
        f"truth, holds {held} of {len(stated)}, at most ±{100 * widest:.1f}; accepted "
        f"{accepted / len(runs):.0f}, of these right {100 * right:.1f}, {good} of {len(accepting)} "
        f"draws at least {ACCEPTED_RIGHT:.0%}, {bad} below {LEAST_RIGHT:.0%}"
    )


def _mean(shares: Sequence[float], sign: str = "") -> str:
    return f"{100 * float(np.mean(shares)):{sign}.1f}" if shares else "-"


def write_unsorted(photos: Path, to: Path, draw: int = 0) -> dict[str, str]:
    """Link the photos to one folder, in another order for each draw; the class by the new name."""
    to.mkdir(parents=True)
    tops = [photos / split for split in SPLITS if (photos / split).is_dir()] or [photos]
    truths = {}
    for top in tops:
        for path in sorted(path for path in top.rglob("*") if path.is_file()):
            below = path.relative_to(top)
            name = (
                hashlib.sha256(bytes(path) + bytes([draw])).hexdigest()[:16] + path.suffix.lower()
            )
            truths[name] = below.parts[0]
            linked(path, to / name)
    return truths


def read(folder: Path, truths: Mapping[str, str]) -> Photos:
    """The features of the folder, from a trainer, and the truth about each image."""
    features = decode_features(computed(Settings.from_env(), str(folder)).features)
    classes = {label: number for number, label in enumerate(sorted(set(truths.values())))}
    names = [Path(os.fsdecode(path)).name for path in features.paths]
    return Photos(features, np.array([classes[truths[name]] for name in names]))


if __name__ == "__main__":
    sys.exit(main())
