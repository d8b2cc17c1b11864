"""The images that give the ranges of the int8 values."""

from __future__ import annotations

import numpy as np

from worker.datasets.examples import Images

#: The number of images, and the range of their spectra's slopes. Photos have a slope of about 1.
#: With these the features are as close to fp32 (cosine 0.996) as with photos of the subject, and
#: the graph does not depend on anybody's photos.
CALIBRATION_IMAGES, SLOPES = 32, (0.8, 1.6)


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
