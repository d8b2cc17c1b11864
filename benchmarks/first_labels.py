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
from typing import Any, NamedTuple

import numpy as np

from benchmarks.environment import machine
from benchmarks.environment.paths import environment, runtime_folder
from benchmarks.measure import foretold, local_stack
from benchmarks.measure.foretold import AfterPage
from benchmarks.measure.simulated_person import (
    Decided,
    Order,
    Photos,
    Reached,
    SessionPages,
    Shown,
    by_chance,
    by_doubt,
    labelled,
    reached,
)
from benchmarks.workloads.labelled_photos import linked
from producer.labelling.folder_request import computed
from shared.messages.folder_features import decode_features
from shared.settings import Settings
from tests.support.processes.label_server import LINK, LabelPage
from worker.labelling.forecast import AHEAD

MARKS = (30, 60, 120, 200, 300)
DRAWS, ACCEPTANCE_DRAWS, SERVED_DRAWS = 5, 30, 2
#: Accepted photos are to be right as often.
ACCEPTED_RIGHT = 0.95
SPLITS = ("train", "validation", "val", "test")
#: Decisions by which the last prediction is judged.
LAST = max(MARKS[-1], foretold.ASKED[-1] + AHEAD) + 5


def main() -> int:
    """Print a table for each way to label."""
    given = _parser().parse_args()
    with runtime_folder() as runtime, tempfile.TemporaryDirectory(prefix="hangtag-") as name:
        env = environment(runtime) | {"HANGTAG_STORE": str(given.store or f"{name}/store")}
        os.environ.update(env)
        try:
            for draw in reversed(range(1 if given.in_process else SERVED_DRAWS)):
                folder = Path(name) / str(draw)
                truths = write_unsorted(given.photos, folder / "photos", draw)
                photos = read(folder / "photos", truths)
                if not given.in_process:
                    with running(folder, env) as page:
                        report_page(page, photos)
        finally:
            local_stack.end(env, str(runtime))
    print(f"{len(photos.truth):,} photos, {len(set(truths.values()))} classes")
    report(photos, given.draws, given.acceptance_draws)
    print(f"({machine.place()}; mean, least and most)")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--draws", type=int, default=DRAWS, help="of each way to label")
    parser.add_argument(
        "--acceptance-draws", type=int, default=ACCEPTANCE_DRAWS, help="of pages, at least"
    )
    parser.add_argument("--store", type=Path, help="keeps the photos' features")
    parser.add_argument("--in-process", action="store_true", help="no draw through the page")
    return parser


def report(photos: Photos, draws: int, acceptance_draws: int) -> None:
    """Print the shares of each way to label, and of pages what was accepted and foretold."""
    ways: dict[str, Order] = {"by chance": by_chance, "by doubt": by_doubt}
    for way, order in ways.items():
        orders = [list(islice(order(photos, seed), MARKS[-1])) for seed in range(draws)]
        report_way(way, [reached(photos, one, MARKS) for one in orders], draws)
    runs = [seen_by(photos, seed) for seed in range(max(draws, acceptance_draws))]
    report_way("pages", [run.reached for run in runs], draws)
    print(foretold.sentence([one for run in runs for one in foretold.foretold(run.pages)]))


def report_way(way: str, runs: Sequence[Sequence[Reached]], draws: int) -> None:
    """Print what was reached after each mark [draw, mark]."""
    for mark, after in zip(MARKS, zip(*runs, strict=True), strict=True):
        good = sum(one.accepted_right >= ACCEPTED_RIGHT for one in after)
        print(
            f"{way:9}  {mark:3}  right {_range([one.right for one in after[:draws]])}  "
            f"accepted {_range([one.accepted for one in after])}, of these right "
            f"{_range([one.accepted_right for one in after])}, in {good} of {len(after)} at least "
            f"{ACCEPTED_RIGHT:.0%}",
            flush=True,
        )


class Run(NamedTuple):
    """A draw of pages."""

    reached: list[Reached]  #: after each mark
    pages: list[AfterPage]


def seen_by(photos: Photos, seed: int) -> Run:
    """What a person reaches who sees pages. A mark has what was complete by then."""
    shown = SessionPages(photos, seed)
    marks, pages = [Reached(0.0, 0.0, 1.0)] * len(MARKS), []
    for page in labelled(shown, photos):
        now = shown.reached()
        marks = [
            now if page.decisions <= mark else was for mark, was in zip(MARKS, marks, strict=True)
        ]
        pages.append(AfterPage(page.decisions, now.right, shown.session.counts()))
        if page.decisions >= LAST:
            break
    return Run(marks, pages)


def _range(shares: Sequence[float]) -> str:
    mean = sum(shares) / len(shares)
    return f"{100 * mean:.1f} ({100 * min(shares):.1f} to {100 * max(shares):.1f})"


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
        self.waits: list[float] = []  #: seconds until a page by the head that knows a decision

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
        f"through the page: {len(seen)} pages, {same} as in one process; from a decision to a page "
        f"by the head that knows it {1000 * waits[len(waits) // 2]:.0f} ms, at most "
        f"{1000 * waits[-1]:.0f} (people do not wait for that head: make bench-label-speed)"
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


if __name__ == "__main__":
    sys.exit(main())
