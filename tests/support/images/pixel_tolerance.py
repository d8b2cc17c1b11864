"""Random pixels, reference conversions without Pillow, and a comparison with a tolerance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]


def random(*shape: int, high: int = 256) -> Values:
    """Random integers below `high`, deterministic for the same arguments."""
    return np.random.default_rng(shape[-1] + high).integers(0, high, shape)


def luma(rgb: Values) -> Values:
    """ITU-R 601, as Pillow documents it."""
    return rgb[..., 0] * 0.299 + rgb[..., 1] * 0.587 + rgb[..., 2] * 0.114


def over(rgb: Values, alpha: Values, ground: int) -> Values:
    """Composited on the background, all from 0 to 255."""
    share = alpha[..., None] / 255
    return rgb * share + ground * (1 - share)


def near(result: NDArray[np.uint8], wanted: Values, tolerance: float = 1.0) -> None:
    """Assert that no value differs by more than the tolerance."""
    assert np.abs(result.astype(float) - wanted.reshape(result.shape)).max() <= tolerance
