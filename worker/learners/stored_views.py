"""What the frozen blocks of a network compute for views of photos: once, into a mapped file.

Rows are stored in parts, so an attempt that is interrupted loses seconds. They take half of the
room that the decoded photos take.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import numpy as np

from shared import atomic_file
from shared.recipes import Recipe
from worker.datasets.decode_files import THREADS, prefetched
from worker.datasets.examples import Images
from worker.learners.pixels import check_room
from worker.training.augmentation import augmented
from worker.training.counter_rng import Numbers

#: Augmented views of each photo; the epochs see them in turn.
VIEWS = 4
#: Those in a file, which is what an attempt loses, and in a turn of a thread.
PART_PHOTOS, CALL_PHOTOS = 128, 8

#: The bytes uint8 [n, bytes] for images uint8 [n, H, W, C], in several threads at once.
Values = Callable[[Images], Images]


def stored_views(
    values: Values,
    images: Images,
    views: int,
    recipe: Recipe,
    seed: int,
    folder: Path,
    identity: bytes,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Images:
    """uint8 [n, max(1, views), bytes]; without `views` those of the images as they are.

    A file in `folder` of the same `identity` (of images and network), recipe and seed is used
    again.

    Raises:
        SetupError: there is no room.
    """
    text = msgspec.json.encode([recipe.training, seed, views])
    path = folder / f"values-{hashlib.sha256(text + identity).hexdigest()[:16]}"
    if not path.exists():
        parts = []
        for start in range(0, len(images), PART_PHOTOS):
            numbers = np.arange(start, min(start + PART_PHOTOS, len(images)))
            parts.append(path.with_name(f"{path.name}-{start}"))
            if not parts[-1].exists():
                rows = rows_of(values, images, numbers, views, recipe, seed)
                # The parts, and all of them joined.
                check_room(folder, 2 * rows[0].nbytes * (len(images) - start), "their views need")
                _write(parts[-1], [rows])
            on_progress(int(numbers[-1]) + 1, len(images))
        _write(path, (np.fromfile(part, np.uint8) for part in parts))
        for part in parts:
            part.unlink(missing_ok=True)
    rows = np.memmap(path, np.uint8, "r").view(np.ndarray)
    return rows.reshape(len(images), max(1, views), -1)


def stored_view(rows: Images, numbers: Numbers, recipe: Recipe, seed: int, epoch: int) -> Images:
    """The view [n, bytes] of the rows [n, views, bytes] that an epoch sees, as `augmented`."""
    return rows[:, epoch % rows.shape[1]]


def rows_of(
    values: Values, images: Images, numbers: Numbers, views: int, recipe: Recipe, seed: int
) -> Images:
    """uint8 [n, max(1, views), bytes] of the images with these numbers, on all cores."""
    count = max(1, views)
    calls = [
        (call, view)
        for call in np.array_split(numbers, -(-len(numbers) // CALL_PHOTOS))
        for view in range(count)
    ]

    def of_call(call: tuple[Numbers, int]) -> Images:
        chosen, view = call
        shown = images[chosen]
        return values(augmented(shown, chosen, recipe, seed, view) if views else shown)

    rows = list(prefetched(of_call, calls, THREADS))
    return np.concatenate([np.stack(rows[at : at + count], 1) for at in range(0, len(rows), count)])


def _write(path: Path, blocks: Iterable[Images]) -> None:
    # A unique name: a suspended trainer may resume while its successor writes.
    part = path.with_name(f"{path.name}.{socket.gethostname()}.{os.getpid()}.part")
    with atomic_file.created(part) as file:
        for block in blocks:
            file.write(block.data)
    atomic_file.place(part, path)
