"""`python -m worker.demo.images OUT`: labelled images to classify, one folder per class.

Fashion-MNIST's test images as PNG files, or drawings if the data set is not available.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.errors import SetupError
from shared.labels.class_folders import folder_of
from worker.datasets import fashion_mnist
from worker.demo.drawings import silhouette

DRAWN_COUNT = 1_000

Bytes = NDArray[np.uint8]


class Samples(NamedTuple):
    """n images uint8 [n, 28, 28], their labels [n], and the prefix of their file names."""

    images: Bytes
    labels: Bytes
    prefix: str


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m worker.demo.images", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the ten class folders")
    parser.add_argument("--count", type=int, metavar="N", help="only the first N images")
    options = parser.parse_args(arguments)
    if options.count is not None and options.count < 1:
        parser.error("--count must be at least 1")
    try:
        written, total = write(options.out, options.count)
    except OSError as error:
        print(f"cannot write the images to {options.out}: {error.strerror}", file=sys.stderr)
        return 1
    state = f"wrote {written:,} of" if written else "already there: all of"
    print(f"{state} {total:,} images in {options.out}/")
    return 0


def write(out: Path, count: int | None = None) -> tuple[int, int]:
    """Write the missing ones of the first `count` samples; return their number, and the total.

    Raises:
        OSError: the folder cannot be written.
    """
    samples = load()
    names = list(_names(samples))[:count]
    present = _present(out)
    missing = [i for i, name in enumerate(names) if name not in present]
    # Images are written in order: the last one before the gap may be incomplete.
    for i in [max(0, missing[0] - 1), *missing] if missing else []:
        (out / names[i]).write_bytes(encoded(samples.images[i]))
    return len(missing), len(names)


def load() -> Samples:
    """Fashion-MNIST's 10,000 test images; without the data set, prints so and draws 1,000."""
    try:
        return Samples(*fashion_mnist.load("test"), prefix="")
    except SetupError as error:
        print(f"{error}. Using {DRAWN_COUNT:,} drawings instead.", file=sys.stderr)
    labels = (np.arange(DRAWN_COUNT) % len(fashion_mnist.LABELS)).astype(np.uint8)
    images = np.stack([silhouette(int(label), seed) for seed, label in enumerate(labels)])
    return Samples(images, labels, prefix="drawn-")


def encoded(image: Bytes) -> bytes:
    """A PNG of uint8 [height, width]."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def _names(samples: Samples) -> Iterator[str]:
    folders = [folder_of(label) for label in fashion_mnist.LABELS]
    for i, label in enumerate(samples.labels):
        yield f"{folders[label]}/{samples.prefix}{i:05}.png"


def _present(out: Path) -> set[str]:
    paths: set[str] = set()
    for label in fashion_mnist.LABELS:
        folder = folder_of(label)
        (out / folder).mkdir(parents=True, exist_ok=True)
        paths.update(f"{folder}/{entry}" for entry in os.listdir(out / folder))
    return paths


if __name__ == "__main__":
    sys.exit(main())
