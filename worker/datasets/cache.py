"""A data set on disk, decoded and split: it is there as a whole, or not at all.

FOLDER/training.pixels   rows uint8 [height, width, channels], one after the other
FOLDER/training.labels   int64; likewise heldout and test
FOLDER/about.json

Each attempt decodes into FOLDER.HOST.PID.NUMBER, and renames it when all is there. An attempt that
slept and wakes up meets a successor's folder only as a whole, and never deletes it. What dead ones
leave goes with the request's folder.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np

from shared import atomic_file
from shared.errors import MISFITS
from shared.failpoints import failpoint
from shared.messages.replies import DataReport
from worker.datasets.examples import Examples, Images, Labels, chunk_images
from worker.datasets.split import HELDOUT, TEST, TRAINING, Parts

NAMES = {TRAINING: "training", HELDOUT: "heldout", TEST: "test"}
ABOUT = "about.json"


class DatasetCache:
    """The folder of one data set, which need not be there yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def report(self) -> DataReport | None:
        """What the data set holds, if it is whole."""
        try:
            return msgspec.json.decode((self.folder / ABOUT).read_bytes(), type=DataReport)
        except (FileNotFoundError, *MISFITS):
            return None

    @contextmanager
    def attempt(self) -> Iterator[CacheBuild]:
        """A new one; what it has not finished is deleted at its end."""
        owner = f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"
        own = self.folder.with_name(f"{self.folder.name}.{owner}")
        own.mkdir(parents=True)
        failpoint("stored.begun")
        try:
            yield CacheBuild(own)
        finally:
            shutil.rmtree(own, ignore_errors=True)

    def take(self, attempt: CacheBuild, report: DataReport) -> DataReport:
        """From now on the data set is there; what it holds. One that came first stays."""
        attempt.describe(report)
        if not _renamed(attempt.folder, self.folder):
            kept = self.report()
            if kept is not None:
                return kept
            damaged = attempt.folder.with_name(f"{attempt.folder.name}.damaged")
            self.folder.rename(damaged)
            failpoint("stored.damaged-moved")
            attempt.folder.rename(self.folder)
            shutil.rmtree(damaged, ignore_errors=True)
        return report

    def examples(self, part: int, shape: tuple[int, int, int]) -> Examples:
        """One part: its pixels stay in their file, and are read as they are used."""
        labels = np.fromfile(self.folder / f"{NAMES[part]}.labels", "<i8").astype(np.int64)
        return Examples(_mapped(self.folder / f"{NAMES[part]}.pixels", shape), labels)


class CacheBuild:
    """A data set that is being decoded, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.decoded = folder / "decoded.pixels"  #: to decode into; `split` removes it

    def split(self, shape: tuple[int, int, int], labels: Labels, parts: Parts) -> None:
        """Write each part to its files, never holding more than a chunk of it."""
        images = _mapped(self.decoded, shape)
        for part, name in NAMES.items():
            chosen = np.flatnonzero(parts == part)
            with open(self.folder / f"{name}.pixels", "wb") as file:
                for start in range(0, len(chosen), chunk_images(shape)):
                    file.write(images[chosen[start : start + chunk_images(shape)]].data)
                atomic_file.sync(file)
            with open(self.folder / f"{name}.labels", "wb") as file:
                file.write(labels[chosen].astype("<i8").data)
                atomic_file.sync(file)
        failpoint("stored.split")
        self.decoded.unlink()

    def describe(self, report: DataReport) -> None:
        """Say what it holds: now it is whole."""
        with open(self.folder / ABOUT, "wb") as file:
            file.write(msgspec.json.encode(report))
            atomic_file.sync(file)
        atomic_file.sync_folder(self.folder)
        failpoint("stored.described")


def _renamed(folder: Path, to: Path) -> bool:
    """Whether there was no folder with something in it already."""
    try:
        folder.rename(to)
        failpoint("stored.placed")
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _mapped(path: Path, shape: tuple[int, int, int]) -> Images:
    if not path.stat().st_size:  # which cannot be mapped
        return np.empty((0, *shape), np.uint8)
    return np.memmap(path, np.uint8, "r").view(np.ndarray).reshape(-1, *shape)
