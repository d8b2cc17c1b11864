"""Builds a data set from an image folder: one subfolder per class, decoded once, split, checked."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec
import numpy as np

from shared import atomic_file
from shared.errors import MISFITS, SetupError
from shared.failpoints import failpoint
from shared.labels.class_folders import problem
from shared.messages.files import printable
from shared.messages.model_card import Preprocessing
from shared.messages.replies import DataReport
from shared.messages.training import SMALLEST_CLASS
from worker.datasets import examples, quality
from worker.datasets.corrected_walk import CorrectedWalk, LabelledData
from worker.datasets.decode_files import DecodedRows, decode_all
from worker.datasets.examples import (
    DIGEST_BYTES,
    HELDOUT,
    TEST,
    TRAINING,
    UNDECIDED,
    Digests,
    Examples,
    Images,
    Parts,
    chunk_images,
)
from worker.datasets.folder_layout import ClassFolderWalk, closed_below, closed_splits
from worker.datasets.quality import NAMED, UnreadableFiles, data_report, notes

NAMES = {TRAINING: "training", HELDOUT: "heldout", TEST: "test"}
ABOUT = "about.json"
#: Files counted between two progress reports: a second or less.
REPORT_EVERY_FILES = 10_000

Progress = Callable[[int, int], None]
Counts = Counter[tuple[int, int]]  #: (label, part) -> files


class DatasetCache:
    """A decoded and split data set in the folder of a request, whose lock the caller holds.

    FOLDER/training.pixels   consecutive rows, uint8 [height, width, channels]
    FOLDER/training.labels   int64
    FOLDER/training.digests  SHA-256 of the files; the same for heldout and test
    FOLDER/about.json        written last: without it the data set is incomplete, and made again
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.decoded = folder / "decoded.pixels"  #: the decoder's output; `split` removes it

    def report(self) -> DataReport | None:
        """The contents of the data set, None if it is incomplete."""
        try:
            return msgspec.json.decode((self.folder / ABOUT).read_bytes(), type=DataReport)
        except (FileNotFoundError, *MISFITS):
            return None

    def delete(self) -> None:
        """Free the room of an incomplete data set."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def examples(self, part: int, shape: tuple[int, int, int]) -> Examples:
        """One part. Its pixels are mapped from the file and read on use."""
        labels = np.fromfile(self.folder / f"{NAMES[part]}.labels", "<i8").astype(np.int64)
        return Examples(_mapped(self.folder / f"{NAMES[part]}.pixels", shape), labels)

    def digests(self, part: int) -> Digests:
        """The SHA-256 of one part's files."""
        packed = np.fromfile(self.folder / f"{NAMES[part]}.digests", np.uint8)
        return packed.reshape(-1, DIGEST_BYTES)

    def split(self, shape: tuple[int, int, int], rows: DecodedRows, parts: Parts) -> None:
        """Write each part to its files, one chunk at a time."""
        images = _mapped(self.decoded, shape)
        for part, name in NAMES.items():
            chosen = np.flatnonzero(parts == part)
            with open(self.folder / f"{name}.pixels", "wb") as file:
                for start in range(0, len(chosen), chunk_images(shape)):
                    file.write(images[chosen[start : start + chunk_images(shape)]].data)
                atomic_file.sync(file)
            self._write(f"{name}.labels", rows.labels[chosen].astype("<i8").tobytes())
            self._write(f"{name}.digests", rows.digests[chosen].tobytes())
        failpoint("stored.split")
        self.decoded.unlink()

    def complete(self, report: DataReport) -> None:
        """Write the report."""
        self._write(ABOUT, msgspec.json.encode(report))
        atomic_file.sync_folder(self.folder)
        failpoint("stored.described")

    def _write(self, name: str, data: bytes) -> None:
        with open(self.folder / name, "wb") as file:
            file.write(data)
            atomic_file.sync(file)


def _mapped(path: Path, shape: tuple[int, int, int]) -> Images:
    if not path.stat().st_size:  # an empty file cannot be mapped
        return np.empty((0, *shape), np.uint8)
    return np.memmap(path, np.uint8, "r").view(np.ndarray).reshape(-1, *shape)


def store(
    data: LabelledData,
    spec: Preprocessing,
    scratch: Path,
    max_unreadable: float,
    on_progress: Progress,
    *,
    to_learn: bool,
    unlearned: bool = False,
) -> tuple[DatasetCache, DataReport]:
    """The data set of class folders, as corrected, cached in `scratch`.

    `to_learn`: it must suffice for training; otherwise one readable image is enough. `unlearned`:
    without splits of its own no part is to learn from, and all but the test is held out.

    Raises:
        SetupError: there is no such data set, or too many of its files are not images.
    """
    root = os.fsencode(Path(data.where))
    key = root + msgspec.json.encode([spec, to_learn, unlearned, data.only, data.corrections])
    stored = DatasetCache(scratch / f"decoded-{hashlib.sha256(key).hexdigest()[:16]}")
    cached = stored.report()
    if cached is not None:
        return stored, cached
    walk = data.walk()
    counts = without_empty(walk, count_files(walk, on_progress), on_progress)
    check_files(walk, counts, to_learn)
    stored.delete()
    refused = UnreadableFiles(walk.root, sum(counts.values()), max_unreadable, on_progress)
    stored.folder.mkdir(parents=True)
    failpoint("stored.begun")
    try:
        report = _decode(walk, spec, stored, refused, to_learn, unlearned)
        stored.complete(report)
    except BaseException:
        stored.delete()
        raise
    return stored, report


def count_files(walk: ClassFolderWalk, on_progress: Progress) -> Counts:
    """The number of files of each class and part; reports that it works."""
    counts: Counts = Counter()
    for number, item in enumerate(walk.items(), 1):
        counts[item.label, item.part] += 1
        if number % REPORT_EVERY_FILES == 0:
            on_progress(0, number)
    return counts


def without_empty(
    walk: CorrectedWalk, counts: Counts, on_progress: Progress, also: Collection[int] = ()
) -> Counts:
    """The counts without classes that corrections made and whose files are all lost, which the walk
    drops; `also` are labels that stay."""
    used = {label for label, _ in counts} | set(also)
    return count_files(walk, on_progress) if walk.drop_empty(used) else counts


def _decode(
    walk: ClassFolderWalk,
    spec: Preprocessing,
    stored: DatasetCache,
    refused: UnreadableFiles,
    to_learn: bool,
    unlearned: bool,
) -> DataReport:
    shape = (spec.height, spec.width, spec.channels)
    with open(stored.decoded, "wb") as out:
        rows = decode_all(walk.items(), spec, out, refused.files.append, refused.done)
    refused.check()
    parts = examples.parts(rows.given, rows.labels, rows.files, rows.contents)
    if to_learn:
        _check_parts(walk, rows, parts)
    if unlearned and (rows.given == UNDECIDED).all():
        parts[parts == TRAINING] = HELDOUT
    stored.split(shape, rows, parts)
    copies, count = _named_copies(walk, rows)
    return data_report(
        walk, spec, rows.labels, parts, refused,
        notes(
            walk.labels, rows.labels, parts, rows.contents, walk.skipped,
            alike="copies", to_learn=to_learn,
        ), copies,
        duplicates_count=count, duplicates_are_copies=True,
    )  # fmt: skip


def check_files(walk: ClassFolderWalk, counts: Counts, to_learn: bool) -> None:
    """Check what can be checked before decoding.

    Raises:
        SetupError: there are too few classes or images, a folder of them cannot be read, or a class
            to learn has a name that `hangtag sort` could make no folder of.
    """
    where = printable(walk.root)
    if not sum(counts.values()):
        _check_open(walk, walk.root)
        raise SetupError(walk.remedies.no_images.format(where=where))
    for folder in (*(branch.folder for branch in walk.branches), *closed_splits(walk)):
        _check_open(walk, folder)
    if not to_learn:
        return
    for label in walk.labels:
        if why := problem(label):
            raise SetupError(f"the class {label!r:.80} {why}")
    if len(walk.labels) < 2:
        raise SetupError(
            f"{where} has one class, {walk.labels[0]}; a model needs two: {walk.remedies.one_class}"
        )
    for number in range(len(walk.labels)):
        check_class(walk, number, counts[number, TRAINING] + counts[number, UNDECIDED])


def _check_open(walk: ClassFolderWalk, folder: bytes) -> None:
    """Report an unreadable folder, whose images would be missing."""
    if closed := closed_below(walk, folder):
        raise SetupError(f"{closed}; give this user the right to read it, or name another folder")


def check_class(walk: ClassFolderWalk, label: int, count: int) -> None:
    """Raises SetupError if a class has too few images."""
    if count >= SMALLEST_CLASS:
        return
    if any(branch.label == label for branch in walk.branches):
        remedy = "add some, or move its folder elsewhere"
    else:  # corrections have made this class
        remedy = walk.remedies.small_class
    raise SetupError(
        f"class {walk.labels[label]} has {count} image{'s' * (count != 1)} to learn from; a class "
        f"needs {SMALLEST_CLASS} different ones: {remedy}"
    )


def _check_parts(walk: ClassFolderWalk, rows: DecodedRows, parts: Parts) -> None:
    """Check what requires decoded images."""
    for number in range(len(walk.labels)):
        mine = (rows.labels == number) & (rows.given != TEST) & (rows.given != HELDOUT)
        check_class(walk, number, len(np.unique(rows.contents[mine])))
    if not (parts == TRAINING).any() or not (parts == HELDOUT).any():
        raise SetupError(
            f"{printable(walk.root)} has no images to learn from or none held out; "
            "put images into train/, or remove the splits: Hangtag then makes them"
        )


def _named_copies(walk: ClassFolderWalk, rows: DecodedRows) -> tuple[list[str], int]:
    """A line for each of the first copies of an earlier image, and the number of all. The walk is
    repeated for their names: to hold all of them would take memory."""
    copies = list(quality.repeated(rows.contents))
    named = copies[:NAMED]
    wanted = {int(rows.places[i]) for pair in named for i in pair}
    places = range(max(wanted, default=-1) + 1)
    paths = {i: item.path for i, item in zip(places, walk.items(), strict=False) if i in wanted}

    def name(row: int) -> str:
        path = paths.get(int(rows.places[row]), b"a file that is gone")
        return printable(path.removeprefix(walk.root + b"/"))

    return [f"{name(copy)}: like {name(first)}" for copy, first in named], len(copies)
