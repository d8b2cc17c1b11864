"""The `.tflite` files of a backbone, made once for a store: every head then uses the same bytes.

So the features that a head learns from are exactly those that it gets from the served graph.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from shared import atomic_file
from shared.ledger.request_store import replace
from worker.backbones.backbone_table import Backbone
from worker.backbones.photo_features import BackboneFiles
from worker.datasets.examples import Images

#: A file is named by the start of its SHA-256, so a damaged one is not used.
FP32, INT8, HASH_CHARS = "fp32.tflite", "int8.tflite", 32
#: Images for the ranges of the int8 values, and the range of their spectra's slopes. Photos have a
#: slope of about 1. With these the features are as close to fp32 (cosine 0.996) as with
#: photos of the subject, and the graph does not depend on anybody's photos.
CALIBRATION_IMAGES, SLOPES = 32, (0.8, 1.6)
CONVERTING = "converting the backbone"
#: Gets the name of a part of the work, and how many of its steps are done, of how many.
OnPart = Callable[[str, int, int], None]


def unobserved(part: str, done: int, total: int) -> None:
    """Do nothing."""


def backbone_files(backbone: Backbone, folder: Path, on_part: OnPart = unobserved) -> BackboneFiles:
    """The files in `folder`, which are made if they are missing or damaged, in about 10 seconds.

    `on_part` gets CONVERTING, the number of files that are made and of all; it may raise.

    Raises:
        SetupError: the package of the weights is missing or has another file.
        OSError: the folder cannot be written.
    """
    own = folder / f"{backbone.name}-{backbone.sha256[:8]}"
    files = _stored(own)
    if files is None:
        atomic_file.make_folder(own)
        made = _converted(backbone, on_part)
        for kind, data in zip((FP32, INT8), made, strict=True):
            replace(own / f"{_hash(data)}.{kind}", data)
        files = _stored(own) or made
        _remove_others(own, files)
    return files


def _stored(folder: Path) -> BackboneFiles | None:
    """Both files, if they are whole; of several of a kind the first, for every trainer the same."""
    fp32, int8 = _first_whole(folder, FP32), _first_whole(folder, INT8)
    return None if fp32 is None or int8 is None else BackboneFiles(fp32, int8)


def _first_whole(folder: Path, kind: str) -> bytes | None:
    for path in sorted(folder.glob(f"*.{kind}")):
        with suppress(FileNotFoundError):  # another trainer has replaced it
            data = path.read_bytes()
            if path.name == f"{_hash(data)}.{kind}":
                return data
    return None


def _remove_others(folder: Path, used: BackboneFiles) -> None:
    """Delete damaged files, and those that earlier versions named without a hash."""
    names = {f"{_hash(data)}.{kind}" for kind, data in zip((FP32, INT8), used, strict=True)}
    for path in folder.glob("*.tflite"):
        if path.name not in names:
            path.unlink(missing_ok=True)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:HASH_CHARS]


def _converted(backbone: Backbone, on_part: OnPart) -> BackboneFiles:
    on_part(CONVERTING, 0, 2)
    from worker.backbones import pretrained
    from worker.export import convert

    graph = convert.frozen(pretrained.build(backbone))
    fp32 = convert.fp32_file(graph)
    on_part(CONVERTING, 1, 2)
    int8 = convert.int8_file(graph, calibration_images(backbone.size_pixels))
    on_part(CONVERTING, 2, 2)
    return BackboneFiles(fp32, int8)


def calibration_images(side: int) -> Images:
    """Noise with the spectrum of photos, the same each time: uint8 [n, side, side, 3]."""
    rng = np.random.default_rng(0)
    lines = np.fft.fftfreq(side)
    frequencies = np.hypot(lines[:, None], lines)
    frequencies[0, 0] = 1 / side
    images = np.empty((CALIBRATION_IMAGES, side, side, 3), np.uint8)
    for image in images:
        spectra = np.fft.fft2(rng.standard_normal((3, side, side)))
        planes = np.fft.ifft2(spectra / frequencies ** rng.uniform(*SLOPES)).real
        values = np.einsum("cij,cd->ijd", planes, rng.uniform(0.3, 1, (3, 3)))  # related colours
        values = (values - values.mean((0, 1))) / values.std((0, 1))
        image[:] = np.clip(values * rng.uniform(30, 80) + rng.uniform(70, 190), 0, 255)
    return images
