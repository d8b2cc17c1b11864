"""A decoded and split data set on disk. It appears atomically: complete or not at all.

FOLDER/training.pixels   consecutive rows, uint8 [height, width, channels]
FOLDER/training.labels   int64
FOLDER/training.digests  SHA-256 of the files; the same for heldout and test
FOLDER/about.json

Each attempt decodes into FOLDER.HOST.PID.NUMBER and renames it when it is complete. A suspended
attempt that resumes finds a successor's folder complete, and never deletes it. The leftovers of
killed attempts are deleted with the request's folder.
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
from worker.datasets.decode_files import DecodedRows
from worker.datasets.examples import DIGEST_BYTES, Digests, Examples, Images, chunk_images
from worker.datasets.split import HELDOUT, TEST, TRAINING, Parts

NAMES = {TRAINING: "training", HELDOUT: "heldout", TEST: "test"}
ABOUT = "about.json"


class DatasetCache:
    """The folder of one data set, which may not exist yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def report(self) -> DataReport | None:
        """The contents of the data set, None if it is incomplete."""
        try:
            return msgspec.json.decode((self.folder / ABOUT).read_bytes(), type=DataReport)
        except (FileNotFoundError, *MISFITS):
            return None

    @contextmanager
    def attempt(self) -> Iterator[CacheBuild]:
        """Start a new attempt; at the end an incomplete one is deleted."""
        owner = f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"
        own = self.folder.with_name(f"{self.folder.name}.{owner}")
        own.mkdir(parents=True)
        failpoint("stored.begun")
        try:
            yield CacheBuild(own)
        finally:
            shutil.rmtree(own, ignore_errors=True)

    def take(self, attempt: CacheBuild, report: DataReport) -> DataReport:
        """Publish the attempt and return its report; an earlier complete data set wins."""
        attempt.describe(report)
        if not _renamed(attempt.folder, self.folder):
            stored = self.report()
            if stored is not None:
                return stored
            shutil.rmtree(self.folder, ignore_errors=True)  # damaged
            attempt.folder.rename(self.folder)
        return report

    def examples(self, part: int, shape: tuple[int, int, int]) -> Examples:
        """One part. Its pixels are mapped from the file and read on use."""
        labels = np.fromfile(self.folder / f"{NAMES[part]}.labels", "<i8").astype(np.int64)
        return Examples(_mapped(self.folder / f"{NAMES[part]}.pixels", shape), labels)

    def digests(self, part: int) -> Digests:
        """The SHA-256 of one part's files."""
        packed = np.fromfile(self.folder / f"{NAMES[part]}.digests", np.uint8)
        return packed.reshape(-1, DIGEST_BYTES)


class CacheBuild:
    """A data set while it is decoded, in its own folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.decoded = folder / "decoded.pixels"  #: the decoder's output; `split` removes it

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

    def describe(self, report: DataReport) -> None:
        """Write the report, which completes the data set."""
        self._write(ABOUT, msgspec.json.encode(report))
        atomic_file.sync_folder(self.folder)
        failpoint("stored.described")

    def _write(self, name: str, data: bytes) -> None:
        with open(self.folder / name, "wb") as file:
            file.write(data)
            atomic_file.sync(file)


def _renamed(folder: Path, to: Path) -> bool:
    """Whether the rename succeeded; False if `to` exists and is not empty."""
    try:
        folder.rename(to)
        failpoint("stored.placed")
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _mapped(path: Path, shape: tuple[int, int, int]) -> Images:
    if not path.stat().st_size:  # an empty file cannot be mapped
        return np.empty((0, *shape), np.uint8)
    return np.memmap(path, np.uint8, "r").view(np.ndarray).reshape(-1, *shape)
