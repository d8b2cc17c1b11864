"""`make bench-label PHOTOS=DIR`: what `hangtag label` saves, beside labelling one photo at a time.

DIR has a folder for each class, or train/ and test/ with such folders; only the simulated person
knows them. The photos are linked to one folder with names that say nothing. One draw goes through
the commands and the page's own requests; the others go through the same functions in this process,
which show the same pages for that draw.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.environment import machine
from benchmarks.environment.paths import environment, runtime_folder
from benchmarks.measure import local_stack
from benchmarks.measure.simulated_person import (
    Decided,
    Order,
    Photos,
    SessionPages,
    Shown,
    by_chance,
    by_doubt,
    labelled,
    right,
)
from benchmarks.workloads.labelled_photos import linked
from producer.labelling.folder_request import computed
from shared.messages.folder_features import decode_features
from shared.settings import Settings
from tests.support.processes.label_server import LINK, LabelPage

MARKS = (30, 60, 120, 200, 300)
DRAWS = 5
SPLITS = ("train", "validation", "val", "test")


def main() -> int:
    """Print a table for each way to label."""
    given = _parser().parse_args()
    with runtime_folder() as runtime, tempfile.TemporaryDirectory(prefix="hangtag-") as name:
        env = environment(runtime) | {"HANGTAG_STORE": str(given.store or f"{name}/store")}
        os.environ.update(env)
        truths = write_unsorted(given.photos, Path(name) / "photos")
        try:
            photos = read(Path(name) / "photos", truths)
            print(f"{len(photos.truth):,} photos, {len(set(truths.values()))} classes")
            if not given.in_process:
                with running(Path(name), env) as page:
                    report_page(page, photos)
        finally:
            local_stack.end(env, str(runtime))
    for way, shares in curves(photos, given.draws).items():
        print(f"{way:9}", *(f"{mark}: {_range(shares[mark])}" for mark in MARKS), sep="  ")
    print(f"({machine.place()}; {given.draws} draws: mean, least and most)")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--store", type=Path, help="keeps the photos' features")
    parser.add_argument("--in-process", action="store_true", help="no draw through the page")
    return parser


def _range(shares: Sequence[float]) -> str:
    mean = sum(shares) / len(shares)
    return f"{100 * mean:.1f} ({100 * min(shares):.1f} to {100 * max(shares):.1f})"


def write_unsorted(photos: Path, to: Path) -> dict[str, str]:
    """Link the photos to one folder; the class of each by its new name."""
    to.mkdir()
    tops = [photos / split for split in SPLITS if (photos / split).is_dir()] or [photos]
    truths = {}
    for top in tops:
        for path in sorted(path for path in top.rglob("*") if path.is_file()):
            below = path.relative_to(top)
            name = hashlib.sha256(bytes(path)).hexdigest()[:16] + path.suffix.lower()
            truths[name] = below.parts[0]
            linked(path, to / name)
    return truths


def read(folder: Path, truths: Mapping[str, str]) -> Photos:
    """The features of the folder, from a trainer, and the truth about each image."""
    features = decode_features(computed(Settings.from_env(), str(folder)).features)
    classes = {label: number for number, label in enumerate(sorted(set(truths.values())))}
    names = [Path(os.fsdecode(path)).name for path in features.paths]
    return Photos(features, np.array([classes[truths[name]] for name in names]))


@contextmanager
def running(folder: Path, env: Mapping[str, str]) -> Iterator[LabelPage]:
    """The page of `hangtag label photos` in this folder."""
    command = [sys.executable, "-m", "producer.cli", "label", "photos"]
    with subprocess.Popen(command, cwd=folder, env=dict(env), stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            lines = islice(process.stdout, 2)
            found = next(filter(None, (LINK.search(line.decode()) for line in lines)))
            yield LabelPage(found)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()


class ServedPages:
    """The pages of the server."""

    def __init__(self, page: LabelPage) -> None:
        self._page = page
        self.waits: list[float] = []  #: seconds from a decision to the next page

    def first(self) -> Shown:
        """As `Pages`."""
        return _shown(self._page.next())

    def decide(self, page: Shown, labels: Sequence[int]) -> Shown:
        """As `Pages`."""
        pairs = zip(page.stacks, labels, strict=True)
        decisions = [{"stack": s, "kind": "label", "label": f"class {label}"} for s, label in pairs]
        before = time.perf_counter()
        reply = self._page.decide(*decisions)
        self.waits.append(time.perf_counter() - before)
        assert reply["refused"] == []
        return _shown(reply["page"])


def _shown(page: Any) -> Shown:
    return SimpleNamespace(why=page["why"], stacks=[one["stack"] for one in page["stacks"]])


def report_page(page: LabelPage, photos: Photos) -> None:
    """One draw by the page's own requests, and whether this process shows the same."""
    served = ServedPages(page)
    seen = until(labelled(served, photos), MARKS[-1])
    here = until(labelled(SessionPages(photos, 0), photos), MARKS[-1])
    same = "the same pages" if seen == here else f"OTHER PAGES from {_first_other(seen, here)} on"
    waits = sorted(served.waits)
    print(
        f"through the page: {len(seen)} pages, {same} as in one process; from a decision to the "
        f"next page {1000 * waits[len(waits) // 2]:.0f} ms, at most {1000 * waits[-1]:.0f}"
    )


def _first_other(seen: Sequence[Decided], here: Sequence[Decided]) -> int:
    pairs = zip(seen, here, strict=False)
    return next((number for number, (a, b) in enumerate(pairs, 1) if a != b), len(seen))


def until(pages: Iterator[Decided], decisions: int) -> list[Decided]:
    """The pages up to this number of decisions."""
    seen: list[Decided] = []
    for page in pages:
        seen.append(page)
        if page.decisions >= decisions:
            break
    return seen


def curves(photos: Photos, draws: int) -> dict[str, dict[int, list[float]]]:
    """The share of all photos that are right, by the way to label and the number of decisions."""
    found: dict[str, dict[int, list[float]]] = {}
    ways: dict[str, Order] = {"by chance": by_chance, "by doubt": by_doubt}
    for way, order in ways.items():
        orders = [list(islice(order(photos, seed), MARKS[-1])) for seed in range(draws)]
        found[way] = {mark: [right(photos, one[:mark]) for one in orders] for mark in MARKS}
    seen = [until(labelled(SessionPages(photos, seed), photos), MARKS[-1]) for seed in range(draws)]
    found["pages"] = {
        mark: [right(photos, named_by(pages, mark)) for pages in seen] for mark in MARKS
    }
    return found


def named_by(pages: Sequence[Decided], decisions: int) -> list[int]:
    """The stacks of the pages that were complete at this number of decisions."""
    return [stack for page in pages if page.decisions <= decisions for stack in page.stacks]


if __name__ == "__main__":
    sys.exit(main())
