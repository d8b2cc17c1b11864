"""A folder of unsorted images of a few colours, and features that tell the colours apart, as a
trainer would send them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from shared.messages.replies import DescribedFolder, FolderFeatures

COLOURS = {"red": (200, 40, 40), "green": (40, 160, 60), "blue": (50, 70, 200)}
WIDTH, SIDE_PIXELS = 6, 24
#: How far images of one colour differ, where colours differ by about 3.
SPREAD = 0.5


class PlantedFolder(NamedTuple):
    """The folder, and the truth about each file."""

    root: Path
    colours: dict[str, str]  #: by the name of a file, or its path below the folder
    features: FolderFeatures

    @property
    def answer(self) -> DescribedFolder:
        """The answer to the request for the features."""
        stacks = np.frombuffer(self.features.stacks, "<u4")
        return DescribedFolder(len(self.colours), 0, (), len(set(stacks.tolist())))


def plant(
    root: Path, images: int, copies: int = 0, seed: int = 0, folders: Mapping[int, str] = {}
) -> PlantedFolder:
    """Write images, and copies of the first one, which are one stack with it. `folders` has the
    folder of some, by their number; the others lie loose."""
    chance = np.random.default_rng(seed)
    centres = chance.standard_normal((len(COLOURS), WIDTH)) * 2
    root.mkdir(parents=True)
    colours, rows = dict[str, str](), []
    for number in range(images):
        kind = int(chance.integers(len(COLOURS)))
        name = f"{folders[number]}/{number:04}.png" if number in folders else f"{number:04}.png"
        (root / name).parent.mkdir(exist_ok=True)
        colours[name] = list(COLOURS)[kind]
        (root / name).write_bytes(_drawn(colours[name], number))
        rows.append(centres[kind] + chance.standard_normal(WIDTH) * SPREAD)
    for number in range(images, images + copies):
        name = f"{number:04}.png"
        colours[name] = colours["0000.png"]
        (root / name).write_bytes(_drawn(colours[name], number))
        rows.append(rows[0])
    stacks = [*range(images), *[0] * copies]
    in_order = sorted(zip(colours, rows, stacks, strict=True), key=lambda image: image[0])
    return PlantedFolder(root, colours, _features(root, *map(list, zip(*in_order, strict=True))))


def _drawn(colour: str, number: int) -> bytes:
    """One image, of which no other has the bytes."""
    image = Image.new("RGB", (SIDE_PIXELS, SIDE_PIXELS), COLOURS[colour])
    image.putpixel((0, 0), (number % 256, number // 256, 0))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _features(
    root: Path, names: list[str], rows: list[np.ndarray], stacks: list[int]
) -> FolderFeatures:
    digests = b"".join(hashlib.sha256((root / name).read_bytes()).digest() for name in names)
    return FolderFeatures(
        root=bytes(root),
        paths=[bytes(root / name) for name in names],
        digests=digests,
        width=WIDTH,
        rows=np.array(rows, "<f2").tobytes(),
        stacks=np.array(stacks, "<u4").tobytes(),
        unreadable=[],
        statuses=b"",
    )
