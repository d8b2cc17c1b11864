"""A finished job of drawn garments in class folders, with doubtful, flagged, confused and failed
rows, for reports."""

from __future__ import annotations

import os
import random
import struct
from pathlib import Path

from PIL import Image

from shared.image_status import Flag, Status
from shared.labels.class_folders import folder_of
from shared.messages.batch import BatchResult
from shared.registry import packaged
from tests.support.images.encoders import save
from tests.support.jobs.finished_job import RUBBISH, finish, options_of
from worker.datasets.demo import silhouette

LABELS = packaged.card().labels
OF_LABEL = 12
#: File names that would run or break something where a page does not escape them.
HOSTILE = (
    b"<script>hacked=1</script>.png",
    b'"><img src=x onerror=hacked=1>.png',
    b"' onmouseover='hacked=1.png",
    b"javascript:hacked=1.png",
    b"{{ 7*7 }}{% raw %}.png",
    b"\xff\xfe.png",
    "\u202egnp.evil.png".encode(),
    b"new\nline\x1b[31m.png",
    b"&lt;b&gt;&#x3c;.png",
    b"]]>--><!--.png",
    b"a very long name " * 12 + b".png",
)


def plant(folder: Path) -> Path:
    """The table of the job. One image in six has the label of the next folder, one in twelve is
    flagged; each folder has a file that is no image; one folder has hostile names, of pictures that
    are higher than wide."""
    for label, name in enumerate(LABELS):
        for i in range(OF_LABEL):
            _write(folder / "photos" / folder_of(name) / f"{i:02}.png", label, 100 * label + i)
        (folder / "photos" / folder_of(name) / "broken.png").write_bytes(RUBBISH)
    for i, hostile in enumerate(HOSTILE):
        _write(folder / "photos" / "Bag" / os.fsdecode(hostile), 8, 5_000 + i, cut=8)
    (folder / "photos" / "Bag" / "empty.jpg").write_bytes(b"")
    options = options_of(folder, b"photos")
    finish(options, batch_images=50, answer=lambda images: _answer(images), kept=3)
    return folder / "out.csv"


def _write(path: Path, label: int, seed: int, cut: int = 0) -> None:
    """A drawing, without this number of columns on its left and right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing = silhouette(label, seed)
    data = save(Image.fromarray(drawing[:, cut : drawing.shape[1] - cut].copy()), "PNG")
    path.write_bytes(data)
    _TRUTHS[data] = (label, seed)


#: Label and seed of each image that was written.
_TRUTHS: dict[bytes, tuple[int, int]] = {}


def _answer(images: list[bytes | Status]) -> BatchResult:
    rows = [_row(image) for image in images]
    return BatchResult(
        3,
        bytes(status.code for status, *_ in rows),
        b"".join(struct.pack("<3H", *labels) for _, _, labels, _ in rows),
        b"".join(struct.pack("<3f", *values) for *_, values in rows),
        bytes(flag.code for _, flag, *_ in rows),
    )


def _row(
    image: bytes | Status,
) -> tuple[Status, Flag, tuple[int, int, int], tuple[float, float, float]]:
    if not isinstance(image, bytes) or image not in _TRUTHS:
        status = Status.UNSUPPORTED if image == RUBBISH else Status.UNREADABLE
        return status, Flag.NONE, (0, 0, 0), (0.0, 0.0, 0.0)
    label, seed = _TRUTHS[image]
    chance = random.Random(seed)
    first = (label + (seed % 6 == 0)) % len(LABELS)
    others = chance.sample([i for i in range(len(LABELS)) if i != first], 2)
    confidence = 1 - chance.random() ** 3 / 2
    rest = (1 - confidence) * 0.6
    flag = Flag.UNLIKE_TRAINING if seed % 100 == 0 else Flag.NONE
    return Status.OK, flag, (first, others[0], others[1]), (confidence, rest, rest / 2)
