"""`python -m worker.datasets.demo OUT`: labelled images to classify, one folder per class.

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
from PIL import Image, ImageDraw

from shared.errors import SetupError
from shared.labels.class_folders import folder_of
from worker.datasets import fashion_mnist

SIDE_PIXELS = 28
#: Factor of supersampling, for soft edges.
_ZOOM = 4
_SHIFT_PIXELS = 1.0
_SCALE = (0.92, 1.0)
_GREY = (130, 235)
_TEXTURE = 14.0  #: standard deviation of the grain, in grey values

Points = tuple[tuple[float, float], ...]

#: Label number -> outlines in pixels of the 28x28 frame; the first is filled, the rest are holes.
_OUTLINES: dict[int, tuple[Points, ...]] = {
    0: (  # T-shirt/top
        ((9, 1), (19, 1), (26, 6), (24, 11), (20, 9), (20, 27), (8, 27), (8, 9), (4, 11), (2, 6)),
        ((11, 0), (17, 0), (14, 4)),
    ),
    1: (  # Trouser
        ((8, 0), (20, 0), (21, 27), (16, 27), (14, 9), (12, 27), (7, 27)),
    ),
    2: (  # Pullover
        ((9, 2), (19, 2), (23, 5), (26, 26), (22, 27), (20, 11), (20, 26), (8, 26), (8, 11),
         (6, 27), (2, 26), (5, 5)),
        ((11, 1), (17, 1), (14, 3)),
    ),
    3: (  # Dress
        ((10, 0), (12, 0), (13, 4), (15, 4), (16, 0), (18, 0), (18, 10), (21, 27), (7, 27),
         (10, 10)),
    ),
    4: (  # Coat
        ((9, 1), (19, 1), (23, 4), (25, 25), (21.5, 26), (20.5, 9), (20.5, 27), (7.5, 27),
         (7.5, 9), (6.5, 26), (3, 25), (5, 4)),
        ((11, 0), (17, 0), (14, 8)),
        ((13.7, 8), (14.3, 8), (14.3, 27), (13.7, 27)),
    ),
    5: (  # Sandal
        ((1, 18), (8, 16), (14, 17), (20, 12), (24, 7), (27, 7), (27, 21), (24, 21), (23, 18),
         (15, 21), (1, 21)),
        ((5, 19), (9, 17), (12, 18), (9, 20)),
        ((14, 19), (20, 14), (22, 15), (18, 18)),
        ((22, 12), (25, 9), (25.5, 15)),
    ),
    6: (  # Shirt
        ((9, 1), (19, 1), (23, 4), (26, 20), (22, 21), (20, 10), (20, 27), (8, 27), (8, 10),
         (6, 21), (2, 20), (5, 4)),
        ((12, 0), (16, 0), (14, 5)),
        ((13.8, 5), (14.2, 5), (14.2, 27), (13.8, 27)),
    ),
    7: (  # Sneaker
        ((1, 18), (3, 15), (10, 14), (16, 9), (19, 10), (24, 9), (26, 11), (27, 20), (1, 20)),
        ((2, 18.2), (26, 18.2), (26, 18.8), (2, 18.8)),
    ),
    8: (  # Bag
        ((2, 9), (8, 9), (10, 3), (18, 3), (20, 9), (26, 9), (27, 25), (1, 25)),
        ((10, 9), (11.5, 4.5), (16.5, 4.5), (18, 9)),
    ),
    9: (  # Ankle boot
        ((1, 21), (4, 17), (12, 13), (14, 3), (26, 3), (27, 24), (22, 24), (21, 22), (14, 24),
         (1, 24)),
    ),
}  # fmt: skip
DRAWN_COUNT = 1_000

Bytes = NDArray[np.uint8]


def silhouette(label: int, seed: int) -> NDArray[np.uint8]:
    """A garment, label 0 to 9, light on black, uint8 [28, 28]; the same for the same seed."""
    rng = np.random.default_rng([label, seed])
    grey = int(rng.integers(*_GREY))
    scale, shift = rng.uniform(*_SCALE), rng.uniform(-_SHIFT_PIXELS, _SHIFT_PIXELS, 2)
    side = SIDE_PIXELS * _ZOOM
    image = Image.new("L", (side, side))
    draw = ImageDraw.Draw(image)
    for i, outline in enumerate(_OUTLINES[label]):
        draw.polygon(_placed(outline, scale, shift), fill=0 if i else grey)
    small = np.asarray(image.reduce(_ZOOM), np.float64)
    grain = rng.normal(0.0, _TEXTURE, small.shape)
    return np.where(small > 0, small + grain * (small / grey), 0).clip(0, 255).astype(np.uint8)


def _placed(outline: Points, scale: float, shift: NDArray[np.float64]) -> list[tuple[float, float]]:
    centre = SIDE_PIXELS / 2
    x0, y0 = shift
    return [
        (_ZOOM * (centre + (x - centre) * scale + x0), _ZOOM * (centre + (y - centre) * scale + y0))
        for x, y in outline
    ]


class Samples(NamedTuple):
    """n images uint8 [n, 28, 28], their labels [n], and the prefix of their file names."""

    images: Bytes
    labels: Bytes
    prefix: str


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m worker.datasets.demo", description=__doc__)
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
