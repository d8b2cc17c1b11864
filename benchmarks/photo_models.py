"""`make bench-photo-models DATA=...`: accuracy and seconds of models of photos, and their detector.

DATA has train/ and test/ with a folder for each class. Head, fine-tuned network and network from
scratch learn from 10, 30, 100 and all photos of each class, and are measured on test/. Folders of
`--unlike NAME=DIR` are then classified with the head of all photos: how many are flagged? Nothing
was chosen on the photos that are named here. The tables go to standard output.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.environment import machine
from benchmarks.report.tables import markdown
from benchmarks.workloads.labelled_photos import linked
from shared import recipes
from shared.errors import ImageError
from shared.messages.model_card import Card
from shared.messages.training import Train
from worker.backbones import backbone_table
from worker.datasets.corrected_walk import LabelledData
from worker.datasets.decode_files import read_file
from worker.decoding.decode import decode
from worker.export.export import TFLITE
from worker.inference import outlier_detector
from worker.learners.head import HeadOfPhotos
from worker.learners.learner import BuiltVersion, Task
from worker.learners.photo_network import NetworkOfPhotos
from worker.runtimes import load_runtime
from worker.training import photo_folder

COUNTS = (10, 30, 100, 0)  #: photos of each class; 0: all
RECIPES = ("photo-head", "photo-fine", "photo-scratch")
BACKBONE = backbone_table.find("efficientnet-lite0")
CALL_IMAGES = 16
COLUMNS = (
    "photos", "recipe", "seconds", "processor, s", "held-out accuracy", "test accuracy", "ECE"
)  # fmt: skip
Scores = npt.NDArray[np.float64]


class Figures(NamedTuple):
    """A training and its version."""

    photos: int
    recipe: str
    seconds: float
    processor_s: float  #: of all threads; on a busy machine only these can be compared
    version: BuiltVersion


def main(arguments: list[str] | None = None) -> None:
    """Print the tables; features of photos are kept in `--store`."""
    given = _parser().parse_args(arguments)
    print(machine.place(), machine.busy(), sep="\n")
    with tempfile.TemporaryDirectory(prefix="hangtag-") as temporary:
        store = Path(given.store or temporary)
        found = list(_trainings(given, store, Path(temporary)))
        print(markdown(COLUMNS, map(_row, found)))
        heads = [one for one in found if one.recipe == RECIPES[0]]
        if given.unlike and heads:
            rows = _detected(max(heads, key=lambda one: one.photos).version, given)
            print(markdown(("images", "count", "flagged", "area under the ROC curve"), rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="0: all photos")
    parser.add_argument("--recipes", nargs="+", default=RECIPES)
    parser.add_argument("--minutes", type=float, default=5.0, help="for each network")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of photos, too")
    parser.add_argument("--unlike", nargs="*", default=(), metavar="NAME=DIR")
    parser.add_argument("--store", type=Path)
    return parser


def _trainings(given: argparse.Namespace, store: Path, temporary: Path) -> Iterator[Figures]:
    for count in given.counts:
        root = temporary / f"photos-{count}"
        sample(given.data, root, count, given.seed)
        for name in given.recipes:
            recipe, start, used = recipes.find(name), time.monotonic(), time.process_time()
            folder = photo_folder.load(
                LabelledData(str(root)), BACKBONE, store, 0.05, lambda done, total: None
            )
            work = Train("photos", name, "", seed=given.seed, minutes=given.minutes)
            if recipe.network == "head":
                made = HeadOfPhotos(Task(work, recipe), folder).build()
            else:
                scratch = temporary / f"{name}-{count}"
                task = Task(work, recipe, scratch / "state.npz")
                made = NetworkOfPhotos(task, folder).build()
                shutil.rmtree(scratch)
            seconds, processor_s = time.monotonic() - start, time.process_time() - used
            yield Figures(len(folder.learn.labels), name, seconds, processor_s, made)


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


def _row(one: Figures) -> tuple[str, ...]:
    metrics = one.version.card.metrics
    test = "" if metrics.test_accuracy is None else f"{100 * metrics.test_accuracy:.1f}"
    ece = metrics.heldout_ece if metrics.test_ece is None else metrics.test_ece
    held = f"{100 * metrics.heldout_accuracy:.1f} ± {100 * one.version.card.heldout_error:.1f}"
    return (
        f"{one.photos:,}", one.recipe, f"{one.seconds:.0f}", f"{one.processor_s:.0f}",
        f"{held} of {metrics.heldout_count:,}",
        test, f"{100 * ece:.1f}",
    )  # fmt: skip


def _detected(version: BuiltVersion, given: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    """A row for the test photos, and one for each folder of other images."""
    card = version.card
    detector = outlier_detector.decode(version.files[outlier_detector.FILE], card.features)
    like = _scores(version, detector, given.data / "test")
    yield ("test photos", f"{len(like):,}", _share(like, detector.threshold), "")
    for one in given.unlike:
        name, _, folder = one.partition("=")
        other = _scores(version, detector, Path(folder))
        flagged = _share(other, detector.threshold)
        yield name, f"{len(other):,}", flagged, f"{area(like, other):.3f}"


def _share(scores: Scores, threshold: float) -> str:
    return f"{100 * float((scores > threshold).mean()):.1f} %"


def area(like: Scores, other: Scores) -> float:
    """The chance that an image of `other` has a larger score than one of `like`."""
    ordered = np.sort(like)
    below = np.searchsorted(ordered, other, "left") + np.searchsorted(ordered, other, "right")
    return float(below.mean() / (2 * len(like)))


def _scores(
    version: BuiltVersion, detector: outlier_detector.OutlierDetector, folder: Path
) -> Scores:
    served = load_runtime.load("litert", version.card, version.files[TFLITE])
    found = []
    for images in _decoded(version.card, folder):
        features = served.outputs(images).features
        assert features is not None
        found.append(detector.scores(features))
    return np.concatenate(found)


def _decoded(card: Card, folder: Path) -> Iterator[npt.NDArray[np.uint8]]:
    images: list[npt.NDArray[np.uint8]] = []
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        try:
            images.append(decode(read_file(bytes(path)), card.preprocessing))
        except ImageError:
            continue
        if len(images) == CALL_IMAGES:
            yield np.stack(images)
            images = []
    if images:
        yield np.stack(images)


if __name__ == "__main__":
    main()
