"""A data set on disk, decoded and split: it is there as a whole, or not at all.

FOLDER/training.pixels   rows uint8 [height, width, channels], one after the other
FOLDER/training.labels   int64; likewise heldout and test
FOLDER/about.json        arrives last
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from shared.answer import DataReport
from shared.errors import MISFITS
from worker.examples import Examples, Images, Labels, chunk_images
from worker.split import HELDOUT, TEST, TRAINING, Parts

NAMES = {TRAINING: "training", HELDOUT: "heldout", TEST: "test"}
ABOUT = "about.json"


class Stored:
    """The folder of one data set, which need not be there yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def report(self) -> DataReport | None:
        """What the data set holds, if it is whole."""
        try:
            return msgspec.json.decode((self.folder / ABOUT).read_bytes(), type=DataReport)
        except (FileNotFoundError, *MISFITS):
            return None

    def begin(self) -> Path:
        """Empty the folder; the file to decode into, which `split` removes."""
        self.remove()
        self.folder.mkdir(parents=True)
        return self.folder / "decoded.pixels"

    def remove(self) -> None:
        """Whatever is there."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def split(
        self, decoded: Path, shape: tuple[int, int, int], labels: Labels, parts: Parts
    ) -> None:
        """Write each part to its files, never holding more than a chunk of it."""
        images = _mapped(decoded, shape)
        for part, name in NAMES.items():
            chosen = np.flatnonzero(parts == part)
            pixels = self.folder / f"{name}.pixels"
            pixels.unlink(missing_ok=True)  # another attempt may have mapped it: cut off, it dies
            with open(pixels, "wb") as file:
                for start in range(0, len(chosen), chunk_images(shape)):
                    file.write(images[chosen[start : start + chunk_images(shape)]].data)
                _to_disk(file)
            with open(self.folder / f"{name}.labels", "wb") as file:
                file.write(labels[chosen].astype("<i8").data)
                _to_disk(file)
        decoded.unlink()

    def finish(self, report: DataReport) -> None:
        """From now on the data set is there."""
        part = self.folder / f"{ABOUT}.part"
        with open(part, "wb") as file:
            file.write(msgspec.json.encode(report))
            _to_disk(file)
        part.replace(self.folder / ABOUT)

    def examples(self, part: int, shape: tuple[int, int, int]) -> Examples:
        """One part: its pixels stay in their file, and are read as they are used."""
        labels = np.fromfile(self.folder / f"{NAMES[part]}.labels", "<i8").astype(np.int64)
        return Examples(_mapped(self.folder / f"{NAMES[part]}.pixels", shape), labels)


def _mapped(path: Path, shape: tuple[int, int, int]) -> Images:
    if not path.stat().st_size:  # which cannot be mapped
        return np.empty((0, *shape), np.uint8)
    return np.memmap(path, np.uint8, "r").view(np.ndarray).reshape(-1, *shape)


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
