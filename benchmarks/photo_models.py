"""`make bench-photo-models DATA=...`: accuracy and cost of models of photos.

DATA has train/ and test/ with a folder for each class. Versions with two looks and with one learn
from 30 and all photos of each class, as a trainer does, and are measured on test/. The table goes
to standard output.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.environment import machine
from benchmarks.report.tables import markdown
from benchmarks.workloads.labelled_photos import linked
from shared import recipes
from shared.errors import SetupError
from shared.messages.training import Serve, Train
from shared.recipes import OF_FOLDER
from shared.registry.registry import Registry
from worker.datasets.decode_files import read_file
from worker.runtimes import load_runtime
from worker.train import learner
from worker.train.head import images_per_s
from worker.train.learner import BuiltVersion, Task

COUNTS = (30, 0)  #: photos of each class; 0: all
SERVED: tuple[Serve, ...] = ("auto", "fast")  #: two looks, and one
#: Test photos by which the speed is measured.
TIMED_PHOTOS = 64
COLUMNS = ("photos", "looks", "twice", "held out", "test", "ECE", "images/s and core")


class Figures(NamedTuple):
    """A training and its version."""

    of_class: int  #: photos of each class, as asked; 0: all
    photos: int
    serve: Serve
    images_per_s: float  #: of one core, decoding included
    version: BuiltVersion


def main(arguments: list[str] | None = None) -> None:
    """Print the table; features of photos are kept in `--store`."""
    given = _parser().parse_args(arguments)
    print(machine.place(), machine.busy(), sep="\n")
    with tempfile.TemporaryDirectory(prefix="hangtag-") as temporary:
        store = Path(given.store or temporary)
        found = list(_trainings(given, store, Path(temporary)))
        print(markdown(COLUMNS, map(_row, _by_size_and_looks(found))))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="0: all photos")
    parser.add_argument("--serve", nargs="+", default=SERVED, choices=SERVED)
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=[1],
        help="of the choice of photos, too; figures are means. Of all photos the first is used",
    )
    parser.add_argument("--store", type=Path)
    return parser


def _trainings(given: argparse.Namespace, store: Path, temporary: Path) -> Iterator[Figures]:
    for count in given.counts:
        for seed in given.seeds if count else given.seeds[:1]:
            root = temporary / f"photos-{count}-{seed}"
            sample(given.data, root, count, seed)
            for serve in given.serve:
                try:
                    yield _training(serve, root, count, seed, store)
                except SetupError as error:  # too few photos
                    print(f"{root.name}, {serve}: {error}", file=sys.stderr, flush=True)


def _training(serve: Serve, root: Path, count: int, seed: int, store: Path) -> Figures:
    """Train and publish a version, as a trainer does.

    Raises:
        SetupError: the photos do not suffice.
    """
    recipe, start = recipes.find(OF_FOLDER), time.monotonic()
    work = Train(root.name, recipe.name, str(root), seed=seed, serve=serve)
    with tempfile.TemporaryDirectory(dir=root.parent) as scratch:
        loaded = learner.load(Task(work, recipe, Path(scratch, "state.npz"), store))
        made = loaded.build()
    Registry(store).publish(*made)
    print(f"{root.name}, {serve}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    return Figures(count, loaded.images, serve, _images_per_s(made, root / "test"), made)


def _images_per_s(version: BuiltVersion, folder: Path) -> float:
    """Of one core, with what workers load by default."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [read_file(bytes(path)) for path in paths[:: len(paths) // TIMED_PHOTOS + 1]]
    card = version.card
    served = load_runtime.fetch(card, version.files.__getitem__)
    return images_per_s(served, files)


def sample(data: Path, to: Path, count: int, seed: int) -> None:
    """Copy test/, and `count` photos of each class of train/."""
    shutil.copytree(data / "test", to / "test", copy_function=linked)
    for label in sorted(path for path in (data / "train").iterdir() if path.is_dir()):
        photos = sorted(path for path in label.rglob("*") if path.is_file())
        chosen = random.Random(f"{seed} {label.name}").sample(photos, len(photos))
        for photo in chosen[: count or None]:
            place = to / "train" / label.name / photo.relative_to(label)
            place.parent.mkdir(parents=True, exist_ok=True)
            linked(photo, place)


def _by_size_and_looks(found: Sequence[Figures]) -> Iterator[list[Figures]]:
    """What differs in its seed only."""
    for key in dict.fromkeys((one.of_class, one.serve) for one in found):
        yield [one for one in found if (one.of_class, one.serve) == key]


def _row(draws: Sequence[Figures]) -> tuple[str, ...]:
    """Means of all draws."""
    cards = [one.version.card for one in draws]
    metrics = [card.metrics for card in cards]
    eces = [one.heldout_ece if one.test_ece is None else one.test_ece for one in metrics]
    held = _percent(one.heldout_accuracy for one in metrics)
    errors = _percent(card.heldout_error for card in cards)
    looks = len(cards[0].looks)
    return (
        f"{draws[0].photos:,}",
        str(looks),
        f"{_percent(card.second_pass_share for card in cards)} %" if looks > 1 else "",
        f"{held} ± {errors}",
        _percent(one.test_accuracy for one in metrics if one.test_accuracy is not None),
        _percent(eces),
        f"{_mean(one.images_per_s for one in draws):.0f}",
    )


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _percent(shares: Iterable[float]) -> str:
    """The mean of shares; empty if there are none."""
    known = list(shares)
    return f"{100 * _mean(known):.1f}" if known else ""


if __name__ == "__main__":
    main()
