"""A folder of images for tests: from the data set if this machine has it, else drawn."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.errors import SetupError
from shared.labels.class_folders import folder_of
from tests.support.jobs import expected_table
from worker.datasets import fashion_mnist
from worker.datasets.fashion_mnist import LABELS
from worker.demo.drawings import silhouette
from worker.demo.images import encoded

FOLDER = "pictures"


class Gallery(NamedTuple):
    """Images below `cwd`, in path order, and the table that a plain loop writes for them."""

    cwd: Path
    paths: list[str]  #: relative to `cwd`, as `hangtag classify pictures` writes them
    table: bytes
    real: bool


def make(cwd: Path, count: int) -> Gallery:
    """Write `count` PNG files to folders named after their labels; existing files stay."""
    real = True
    try:
        images, labels = fashion_mnist.load("test", download=False)
    except SetupError:
        real = False
        labels = np.arange(count, dtype=np.uint8) % len(LABELS)
        images = np.stack([silhouette(int(label), seed) for seed, label in enumerate(labels)])
    for i, (image, label) in enumerate(zip(images[:count], labels[:count], strict=True)):
        path = Path(FOLDER, folder_of(LABELS[label]), f"{i:05}.png")
        (cwd / path.parent).mkdir(parents=True, exist_ok=True)
        (cwd / path).write_bytes(encoded(image))
    paths = sorted(str(path.relative_to(cwd)) for path in (cwd / FOLDER).rglob("*.png"))
    return Gallery(cwd, paths, expected_table.table(cwd, paths), real)
