"""A folder of images for tests: from the data set if this machine has it, else drawn."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from PIL.Image import Resampling

from shared.errors import SetupError
from shared.labels.class_folders import folder_of
from tests.support.jobs import expected_table
from worker.datasets import fashion_mnist
from worker.datasets.demo import encoded, silhouette
from worker.datasets.fashion_mnist import LABELS

FOLDER = "pictures"
#: Each picture of a large gallery stands in it under this many names.
NAMES = 20
#: 28 pixels become 1,120, about as many as a photograph's short side on a web page.
ZOOM = 40


class Gallery(NamedTuple):
    """Images below `cwd`, in path order."""

    cwd: Path
    paths: list[str]  #: relative to `cwd`, as `hangtag classify pictures` writes them
    written: Callable[[], bytes]  #: returns `table`
    real: bool

    @property
    def table(self) -> bytes:
        """The table that a plain loop writes for them as they were made; classified once it is
        needed."""
        return self.written()


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
    files = [(cwd / path).read_bytes() for path in paths]
    return Gallery(cwd, paths, cache(lambda: expected_table.table(cwd, paths, files=files)), real)


def make_large(cwd: Path, count: int) -> Gallery:
    """Write `count` pictures whose decoding takes 15 ms, much longer than any model.

    Only every twentieth is a picture of its own; the others are links to it.
    """
    small, originals = make(cwd, count // NAMES), list[str]()
    for path in small.paths:
        originals.append(path.replace(".png", ".jpg"))
        with Image.open(cwd / path) as image:
            large = image.resize((ZOOM * image.width, ZOOM * image.height), Resampling.BICUBIC)
            large.convert("RGB").save(cwd / originals[-1], quality=85)
        (cwd / path).unlink()
    heading, *rows = expected_table.table(cwd, originals).splitlines(keepends=True)
    named = {}
    for original, row in zip(originals, rows, strict=True):
        for i in range(NAMES):
            path = original.replace(".jpg", f"-{i:02}.jpg")
            os.link(cwd / original, cwd / path)
            named[path] = row.replace(original.encode(), path.encode(), 1)
        (cwd / original).unlink()
    paths = sorted(named)
    table = b"".join([heading, *(named[path] for path in paths)])
    return Gallery(cwd, paths, lambda: table, small.real)
