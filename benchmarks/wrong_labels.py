"""`python -m benchmarks.wrong_labels DATA...`: what `hangtag dataset check` lists, and how right.

Each DATA is a folder with a folder for each class. Its photos are checked as they are; then with
some labels planted wrong, any other class with equal chances; with `--similar` also with the class
that is most like the image, which cannot be told from a hard image. The answers and probabilities
are those of the trainer's handler, the labels are planted in its arrays. Beside it stands confident
learning (Northcutt et al., 2021: an image that reaches the mean confidence of another class, and
not that of its own). The table goes to standard output.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.environment import machine
from benchmarks.report.tables import markdown
from producer.pages.check_page import LISTED
from worker.backbones import backbone_table
from worker.backbones.photo_features import PhotoFeatures
from worker.datasets.corrected_walk import LabelledData
from worker.heads.linear_head import Labels
from worker.requests.check_dataset import Checked, all_photos, answer_out_of_fold
from worker.train import photo_folder

SHARE = 0.05
COLUMNS = (
    "photos", "images, classes", "answers as labels", "planted", "listed", "of these planted",
    "expected wrong", "of the planted listed", "confident learning: listed", "of these planted",
    "of the planted listed",
)  # fmt: skip
Chosen = npt.NDArray[np.bool_]


class Planted(NamedTuple):
    """Labels of which some are wrong."""

    kind: str
    labels: Labels
    wrong: Chosen


def main() -> None:
    """Print the table; features are stored in `--store`."""
    given = _parser().parse_args()
    print(machine.place(), machine.busy(), sep="\n")
    with tempfile.TemporaryDirectory(prefix="hangtag-") as temporary:
        store = Path(given.store or temporary)
        rows = []
        for row in (row for data in given.data for row in _rows(data, store, given)):
            print(*row, sep=" | ", flush=True)  # a set takes minutes
            rows.append(row)
    print(markdown(COLUMNS, rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--seed", type=int, default=1, help="of the planted labels")
    parser.add_argument("--similar", action="store_true", help="also plant similar classes")
    parser.add_argument("--store", help="keeps features between runs")
    return parser


def _rows(data: Path, store: Path, given: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    backbone = backbone_table.load("", store)
    folder = photo_folder.load(
        LabelledData(str(data)), [backbone], store, 1.0, lambda *_: None, mirrored=False
    )
    photos, classes = all_photos(folder), len(folder.labels)
    clean = answer_out_of_fold(photos, photos.labels, classes)
    none = np.zeros(len(photos.labels), bool)
    yield _row(data.name, Planted("none", photos.labels, none), clean, classes)
    for planted in list(_planted(photos, clean, classes, given.seed))[: 1 + given.similar]:
        checked = answer_out_of_fold(photos, planted.labels, classes)
        yield _row(data.name, planted, checked, classes)


def _planted(photos: PhotoFeatures, clean: Checked, classes: int, seed: int) -> Iterator[Planted]:
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(photos.labels), round(SHARE * len(photos.labels)), replace=False)
    wrong = np.isin(np.arange(len(photos.labels)), chosen)
    own = np.eye(classes, dtype=bool)[photos.labels]
    random = (photos.labels + rng.integers(1, classes, len(wrong))) % classes
    most_like = np.where(own, -1, clean.answers).argmax(1)
    for kind, others in (("5%, any class", random), ("5%, the most similar", most_like)):
        yield Planted(kind, np.where(wrong, others, photos.labels), wrong)


def _row(name: str, planted: Planted, checked: Checked, classes: int) -> tuple[str, ...]:
    chances, wrong = checked.wrong.probabilities, planted.wrong
    listed = chances >= LISTED
    return (
        name,
        f"{len(wrong):,}, {classes}",
        f"{checked.out_of_fold.accuracy:.1%}",
        planted.kind,
        *_shares(listed, wrong)[:2],
        f"{chances[listed].mean():.0%}" if listed.any() else "-",
        _shares(listed, wrong)[2],
        *_shares(_confident_learning(checked.answers, planted.labels), wrong),
    )


def _shares(listed: Chosen, wrong: Chosen) -> tuple[str, str, str]:
    """What is listed, which share of it was planted, and which share of the planted it is."""
    count = f"{listed.sum()} ({listed.mean():.2%})"
    if not wrong.any():
        return count, "-", "-"
    return (
        count,
        f"{wrong[listed].mean():.0%}" if listed.any() else "-",
        f"{listed[wrong].mean():.0%}",
    )


def _confident_learning(answers: npt.NDArray[np.floating], labels: Labels) -> Chosen:
    classes = answers.shape[1]
    needed = [
        answers[labels == one, one].mean() if (labels == one).any() else 1 for one in range(classes)
    ]
    reached = np.where(answers >= needed, answers, -1)
    found: Chosen = (reached.max(1) >= 0) & (reached.argmax(1) != labels)
    return found


if __name__ == "__main__":
    main()
