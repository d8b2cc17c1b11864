"""The answers of a dataset check with all that its page can have, as a trainer returns them."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import msgspec
from PIL import Image

from producer.pages import check_page
from producer.pages.check import write_table
from producer.pages.check_page import Findings
from producer.present.progress import Quiet, Stages
from shared.image_status import Flag, Status
from shared.messages.files import DIGEST_BYTES, stamp
from shared.messages.model_card import Card, encode_card
from shared.messages.replies import CheckedDataset, CheckedRows, DataReport
from shared.registry import packaged
from tests.support.images.encoders import save
from tests.support.jobs.finished_job import RUBBISH
from tests.support.pages.planted import HOSTILE
from worker.datasets.demo import silhouette

LABELS = ("Bag", "Boot", "<img src=x onerror=hacked=1>")
OF_CLASS = 8
#: In the folder of another class, the least doubtful one last; path -> probability of its label.
WRONG = {"train/Bag/03.png": 0.01, "train/Boot/05.png": 0.02, "test/Boot/01.png": 0.3}
#: Copies, and images that are taken for near-duplicates: path -> an earlier path.
COPIES = {"train/Boot/copy.png": "train/Bag/00.png"}
NEAR = {"train/Bag/02.png": "train/Bag/01.png", "train/Boot/04.png": "test/Boot/00.png"}
OUTLIERS = ("train/Bag/06.png",)
UNREADABLE = ("train/Bag/broken.jpg", "train/Boot/broken.jpg")


class Check(NamedTuple):
    page: Path
    table: Path
    found: Findings


def plant(folder: Path) -> Check:
    """The table and the page of a check."""
    root = folder / "photos"
    write_files(root)
    rows = rows_of(root)
    table, page, found = folder / "check.csv", folder / "check.html", Findings(rows)
    progress = Stages(Quiet())
    write_table(rows, card(), os.fsencode(root), str(table), progress)
    check_page.write(found, card(), answer(), str(root), progress, table=table, page=page)
    return Check(page, table, found)


def card() -> Card:
    """Of the heads that answered."""
    return msgspec.structs.replace(packaged.card(), labels=LABELS, operating_points=())


def write_files(root: Path) -> None:
    """The files below the folder."""
    for number, label in enumerate(LABELS):
        names = [os.fsencode(f"{i:02}.png") for i in range(OF_CLASS)]
        for i, name in enumerate([*names, *(HOSTILE if number == 1 else ())]):
            for part in ("train", "test") if i < 2 else ("train",):
                place = os.path.join(os.fsencode(root / part / label), name)
                os.makedirs(os.path.dirname(place), exist_ok=True)
                drawn = silhouette(8 + number % 2, 1000 * number + 10 * i + len(part))
                with open(place, "wb") as file:
                    file.write(save(Image.fromarray(drawn), "PNG"))
    for copy, original in COPIES.items():
        (root / copy).write_bytes((root / original).read_bytes())
    for path in UNREADABLE:
        (root / path).write_bytes(RUBBISH)


def rows_of(root: Path) -> CheckedRows:
    """The trainer's answers about these files."""
    paths = sorted(
        os.path.join(where, name) for where, _, files in os.walk(bytes(root)) for name in files
    )
    below = [os.fsdecode(path.removeprefix(bytes(root) + b"/")) for path in paths]
    labels = [LABELS.index(path.split("/")[1]) for path in below]
    wrong = [path in WRONG for path in below]
    best = [(label + is_wrong) % 3 for label, is_wrong in zip(labels, wrong, strict=True)]
    given = [WRONG.get(path, 0.9) for path in below]
    values = [(max(p, 1 - p), min(p, 1 - p)) for p in given]
    earlier = {max(pair): min(pair) for pair in (COPIES | NEAR).items()}
    return CheckedRows(
        root=bytes(root),
        card=encode_card(card()),
        k=2,
        paths=paths,
        stamps=[stamp(os.stat(path)) for path in paths],
        digests=b"".join(_crc(path) for path in paths),
        statuses=bytes(Status.UNSUPPORTED.code if p in UNREADABLE else 0 for p in below),
        flags=bytes(Flag.UNLIKE_TRAINING.code if p in OUTLIERS else 0 for p in below),
        indices=b"".join(struct.pack("<2H", one, (one + 1) % 3) for one in best),
        probabilities=b"".join(struct.pack("<2f", *pair) for pair in values),
        labels=labels,
        given=given,
        wrong=[1 - p if path in WRONG else 0.001 for path, p in zip(below, given, strict=True)],
        in_test=bytes(path.startswith("test/") for path in below),
        like=[below.index(earlier[path]) if path in earlier else -1 for path in below],
    )


def _crc(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return zlib.crc32(file.read()).to_bytes(DIGEST_BYTES, "little")


def answer() -> CheckedDataset:
    """Of the trainer."""
    count = len(LABELS)
    data = DataReport(
        name="photos",
        shape=(224, 224, 3),
        labels=LABELS,
        training=(OF_CLASS, OF_CLASS + len(HOSTILE), OF_CLASS),
        heldout=(0,) * count,
        test=(2,) * count,
        notes=("the classes have very different sizes",),
    )
    return CheckedDataset(data, 0.9, 0.02)
