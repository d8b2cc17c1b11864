"""The pixels of photos for a network that learns from them: decoded once into a mapped file."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from shared import atomic_file
from shared.errors import ImageError, SetupError
from shared.messages.model_card import Preprocessing
from worker.backbones.photo_features import PhotoFeatures
from worker.datasets.decode_files import THREADS, prefetched, read_file
from worker.datasets.examples import Images
from worker.decoding.decode import decode

#: Photos between two progress reports.
REPORT_EVERY = 16


def pixels(
    photos: PhotoFeatures,
    spec: Preprocessing,
    folder: Path,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Images:
    """uint8 [n, H, W, C] of the photos, in order; a file in `folder` that is there is used again.

    Raises:
        SetupError: a photo was changed since its features were computed, or there is no room.
    """
    shape = (len(photos.labels), spec.height, spec.width, spec.channels)
    key = hashlib.sha256(msgspec.json.encode(spec) + photos.digests.tobytes()).hexdigest()[:16]
    path = folder / f"pixels-{key}"
    if not shape[0]:
        return np.empty(shape, np.uint8)
    if not path.exists():
        check_room(folder, int(np.prod(shape)), "the decoded photos need")
        # A unique name: a suspended trainer may resume while its successor writes.
        part = path.with_suffix(f".{socket.gethostname()}.{os.getpid()}.part")
        with atomic_file.created(part) as file:
            decoded = prefetched(
                lambda number: _decoded(photos, number, spec), range(shape[0]), THREADS
            )
            for number, image in enumerate(decoded, 1):
                file.write(image.data)
                if number % REPORT_EVERY == 0:
                    on_progress(number, shape[0])
        atomic_file.place(part, path)
    return np.memmap(path, np.uint8, "r").view(np.ndarray).reshape(shape)


def _decoded(photos: PhotoFeatures, number: int, spec: Preprocessing) -> Images:
    path, digest = photos.paths[number], photos.digests[number].tobytes()
    try:
        data = read_file(path)
        if hashlib.sha256(data).digest() == digest:
            return decode(data, spec)
    except ImageError:  # deleted
        pass
    raise SetupError(
        f"{os.fsdecode(path)!r:.200} was changed during the training; train again when the folder "
        "no longer changes"
    )


def check_room(folder: Path, size: int, what: str) -> None:
    """Raises SetupError: `size` bytes do not fit."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if size > free:
        raise SetupError(
            f"{what} {size / 1e9:.1f} GB in {folder}, which has "
            f"{free / 1e9:.1f}; make room, or put the store elsewhere (HANGTAG_STORE)"
        )
