"""The images: Fashion-MNIST's as PNG files in a folder for each class."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

from benchmarks.environment.paths import DATA

ALL, TEST = 60_000, 10_000


class Workload(NamedTuple):
    """A folder of images, relative to the benchmark's data."""

    folder: str
    images: int


def training(count: int) -> Workload:
    """The first `count` training images, made and read once; above ALL they repeat."""
    read_all(make(count))
    return Workload(_name(count), count)


def test() -> Workload:
    """The test images, as `make demo` classifies them."""
    from worker.datasets import demo

    folder = DATA / f"test-{TEST}"
    _, count = demo.write(folder)
    read_all(folder)
    return Workload(folder.name, count)


def make(count: int) -> Path:
    """Write the first `count` training images, once; return their folder.

    Above ALL the folder has subfolders of hard links to all of them.

    Raises:
        SetupError: Fashion-MNIST is not available.
    """
    folder = DATA / _name(count)
    if not folder.is_dir():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        if count > ALL:
            _link(part, count)
        else:
            _write(part, count)
        part.rename(folder)
    return folder


def read_all(folder: Path) -> int:
    """Read every file into the page cache, so that no contender reads the disk."""
    return sum(len(path.read_bytes()) for path in folder.rglob("*.png"))


def _name(count: int) -> str:
    return f"images-{count}"


def _link(folder: Path, count: int) -> None:
    source = make(ALL)
    names = sorted(path.relative_to(source) for path in source.rglob("*.png"))
    for number in range(count):
        part, place = divmod(number, ALL)
        path = folder / f"{part:02}" / names[place]
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(source / names[place], path)


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
