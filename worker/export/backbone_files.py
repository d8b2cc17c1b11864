"""The `.tflite` files of a backbone, made once for a store: every head then uses the same bytes.

So the features that a head learns from are exactly those that it gets from the served graph.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shared import atomic_file
from shared.ledger.request_store import replace
from worker.backbones.photo_features import BackboneFiles
from worker.backbones.table import Backbone
from worker.datasets.examples import Images

FP32, INT8 = "fp32.tflite", "int8.tflite"
#: Images for the ranges of the int8 values, and the range of their spectra's slopes. Photos have a
#: slope of about 1. With these the features are as close to fp32 (cosine 0.996) as with
#: photos of the subject, and the graph does not depend on anybody's photos.
CALIBRATION_IMAGES, SLOPES = 32, (0.8, 1.6)


def backbone_files(backbone: Backbone, folder: Path) -> BackboneFiles:
    """The files in `folder`, which are made if they are missing.

    Raises:
        SetupError: the package of the weights is missing or has another file.
        OSError: the folder cannot be written.
    """
    own = folder / f"{backbone.name}-{backbone.sha256[:8]}"
    paths = own / FP32, own / INT8
    if not all(path.exists() for path in paths):
        atomic_file.make_folder(own)
        for path, data in zip(paths, _converted(backbone), strict=True):
            if not path.exists():  # another trainer's: features may be stored for it
                replace(path, data)
    return BackboneFiles(*(path.read_bytes() for path in paths))


def _converted(backbone: Backbone) -> BackboneFiles:
    from worker.backbones import efficientnet_lite, weights
    from worker.export import convert

    network = efficientnet_lite.build(backbone, weights.load(backbone))
    calibration = calibration_images(backbone.size_pixels)
    return BackboneFiles(convert.fp32_file(network), convert.int8_file(network, calibration))


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
