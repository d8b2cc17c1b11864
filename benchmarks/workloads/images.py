"""The images: Fashion-MNIST's training images as PNG files in a folder for each class."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.environment.paths import DATA

ALL = 60_000


def folder_name(count: int) -> str:
    """The folder of `count` images, relative to the benchmark's data."""
    return f"images-{count}"


def make(count: int) -> Path:
    """Write the first `count` training images, once; return their folder.

    Raises:
        SetupError: Fashion-MNIST is not available.
    """
    folder = DATA / folder_name(count)
    if not folder.is_dir():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        _write(part, count)
        part.rename(folder)
    return folder


def read_all(folder: Path) -> int:
    """Read every file into the page cache, so that no contender reads the disk."""
    return sum(len(path.read_bytes()) for path in folder.rglob("*.png"))


def _write(folder: Path, count: int) -> None:
    from PIL import Image

    from worker.datasets import fashion_mnist

    images, labels = fashion_mnist.load("train")
    classes = [folder / label.replace("/", "_") for label in fashion_mnist.LABELS]
    for path in classes:
        path.mkdir(parents=True)
    for number in range(count):
        path = classes[labels[number]] / f"{number:05}.png"
        Image.fromarray(images[number]).save(path)
