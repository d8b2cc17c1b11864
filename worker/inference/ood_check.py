"""A cheap out-of-distribution check of images in the form of the network's input.

It detects a background that is not black, and an image that is nearly empty or full. It does not
distinguish a garment from a drawing of a digit. See docs/photos.md.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from shared.messages.model_card import PixelBounds


def are_outliers(bounds: PixelBounds, images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Bool [n] for uint8 [n, height, width, channels]: whether an image is out of bounds."""
    flat = _flat(images)
    share = np.count_nonzero(flat > bounds.foreground, axis=1) / flat.shape[1]
    size = (share < bounds.smallest) | (share > bounds.largest)
    outliers: NDArray[np.bool_] = size | _border_is_bright(images, bounds.border)
    return outliers


def _border_is_bright(images: NDArray[np.uint8], limit: int) -> NDArray[np.bool_]:
    """Whether more than half of the outermost values, or any corner, is above the limit."""
    ring = _outermost(images) > limit
    down, across = (max(1, side - 1) for side in images.shape[1:3])
    corners = _flat(images[:, ::down, ::across]) > limit
    many: NDArray[np.bool_] = 2 * np.count_nonzero(ring, axis=1) > ring.shape[1]
    return many | corners.any(axis=1)


def _outermost(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The values of the four edges, [n, values]; each corner once."""
    edges = [images[:, :1], images[:, 1:][:, -1:]]
    middle = images[:, 1:-1]
    edges += [middle[:, :, :1], middle[:, :, 1:][:, :, -1:]]
    return np.concatenate([_flat(edge) for edge in edges], axis=1)


def _flat(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[n, values], also for n = 0."""
    return images.reshape(len(images), math.prod(images.shape[1:]))
