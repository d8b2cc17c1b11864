"""Detects images unlike the training images by the features of a pretrained network.

The features are means over parts of the network, from its first blocks (colour, edges, texture) to
its last (objects). In each part an image has a distance from the training images: Mahalanobis'
along their main directions of variation, and the rest at the rest's mean variance (as in Lee et
al., arXiv:1807.03888). A part's logarithm of it is standardized with that of training images whose
fold was left out. That finds drawings and textures.

Among photos of many subjects every such distance is usual. So there is a second one: the angle, in
the last part, to the nearest training images (as in Sun et al., arXiv:2204.06507). The score is
large if either is.
"""

from __future__ import annotations

import io
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from shared.errors import SetupError
from shared.messages.model_card import Card, PixelBounds
from shared.runtimes import OUTLIERS
from worker.runtimes.array_archive import arrays

FILE = OUTLIERS
#: Bounds the exponential of a score.
LARGEST = 50.0
#: The angle is that to the nearest training image but two: one may be there by mistake.
NEIGHBOUR = 3
#: Fields of Neighbours whose values the file has in float16.
HALVED = ("axes", "known")
#: How much the larger of the two scores counts; infinite: it alone. From 1 to 3 makes no difference
#: of note.
SHARPNESS = 3.0

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]  #: of any shape


def unlike_training(
    card: Card,
    detector: OutlierDetector | None,
    images: NDArray[np.uint8],
    features: Floats | None,
) -> NDArray[np.bool_]:
    """Bool [n]: the images of the network's input, or their features, that are unlike those which
    the version has learned from."""
    unlike = np.zeros(len(images), bool)
    if card.pixel_bounds is not None:
        unlike |= out_of_bounds(card.pixel_bounds, images)
    if detector is not None and features is not None:
        unlike |= detector.are_outliers(features)
    return unlike


def out_of_bounds(bounds: PixelBounds, images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Bool [n] for uint8 [n, height, width, channels]: whether an image is out of bounds.

    A cheap check of the network's input. It detects a background that is not black, and an image
    that is nearly empty or full. It does not distinguish a garment from a drawing of a digit: see
    docs/photos.md.
    """
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


class PartDistances(NamedTuple):
    """The distances of images from a set of training images, in each part of the features."""

    mean: Floats  #: [features]
    scale: Floats  #: [features], inverse standard deviations
    widths: npt.NDArray[np.int64]  #: [parts], features of each
    basis: Floats  #: [features, directions]: orthogonal in each part; unused columns are 0
    gains: Floats  #: [parts, directions]: inverse variance, less that of the rest
    rest: Floats  #: [parts], inverse variance of the rest

    def logs(self, features: Floats) -> Doubles:
        """Logarithms of the squared distances, float64 [n, parts]; each row depends on its own."""
        rows = (features - self.mean) * self.scale
        logs = np.empty((len(rows), len(self.widths)))
        start = 0
        for part, width in enumerate(self.widths.tolist()):
            columns = slice(start, start + width)
            mine = np.ascontiguousarray(rows[:, None, columns])
            # One product of fixed shape for each row: the same bits in batches of any size.
            along = np.matmul(mine, self.basis[columns])[:, 0]
            total = np.matmul(mine, mine.transpose(0, 2, 1))[:, 0, 0]
            distance = (along * along * self.gains[part]).sum(1) + total * self.rest[part]
            logs[:, part] = np.log(np.maximum(distance, np.finfo(np.float32).tiny))
            start += width
        return logs


class Neighbours(NamedTuple):
    """Training images as directions, by the features of the last part."""

    middle: Floats  #: [width], mean features
    factors: Floats  #: [width], inverse standard deviations
    axes: Floats  #: [width, directions], orthogonal
    known: Floats  #: [images, directions], of length 1

    def angles(self, features: Floats) -> Doubles:
        """1 - cosine to a near training image, float64 [n]; each row depends on its own."""
        rows = (features[:, -len(self.middle) :] - self.middle) * self.factors
        along = np.matmul(np.ascontiguousarray(rows[:, None]), self.axes)
        along /= np.maximum(np.linalg.norm(along, axis=2, keepdims=True), np.finfo(np.float32).tiny)
        cosines = np.matmul(along, self.known.T)[:, 0]
        place = max(0, cosines.shape[1] - NEIGHBOUR)
        angles: Doubles = 1 - np.partition(cosines, place, axis=1)[:, place].astype(np.float64)
        return angles


class OutlierDetector(NamedTuple):
    """Distances and angles, and what is usual for images that they were not fitted to."""

    distances: PartDistances
    neighbours: Neighbours
    centres: Doubles  #: [parts], means of the logarithms
    spreads: Doubles  #: [parts], standard deviations
    usual: Doubles  #: [2], medians of the combined distances and of the angles
    spans: Doubles  #: [2], from the medians to what one image in a hundred exceeds
    threshold: float  #: scores above it are flagged

    def are_outliers(self, features: Floats) -> npt.NDArray[np.bool_]:
        """Bool [n] for features float32 [n, features]."""
        outliers: npt.NDArray[np.bool_] = self.scores(features) > self.threshold
        return outliers

    def scores(self, features: Floats) -> Doubles:
        """A smooth maximum of distance and angle, both standardized; large = unlike. [n]."""
        logs = (self.distances.logs(features) - self.centres) / self.spreads
        both = np.stack([smooth_maximum(logs), self.neighbours.angles(features)], 1)
        return smooth_maximum(SHARPNESS * (both - self.usual) / self.spans)


def smooth_maximum(standardized: Doubles) -> Doubles:
    """A smooth maximum of the standardized values [n, several] of each image: [n]."""
    scores: Doubles = np.log(np.exp(np.minimum(standardized, LARGEST)).mean(1))
    return scores


def encode(detector: OutlierDetector) -> bytes:
    """The bytes of an `.npz` file."""
    file = io.BytesIO()
    np.savez(
        file,
        allow_pickle=False,
        centres=detector.centres,
        spreads=detector.spreads,
        usual=detector.usual,
        spans=detector.spans,
        threshold=np.float64(detector.threshold),
        **detector.distances._asdict(),
        **{name: _stored(name, array) for name, array in detector.neighbours._asdict().items()},
    )
    return file.getvalue()


def rounded(values: Floats) -> Floats:
    """As axes and known images are in the file."""
    halves: Floats = values.astype(np.float16).astype(np.float32)
    return halves


def _stored(name: str, values: Floats) -> npt.NDArray[np.floating]:
    return values.astype(np.float16) if name in HALVED else values


def decode(data: bytes, features: int) -> OutlierDetector:
    """The detector in `data`, for this number of features.

    Raises:
        SetupError: the file is damaged.
    """
    try:
        with arrays(data) as stored:
            distances = PartDistances(*(stored[name] for name in PartDistances._fields))
            near = Neighbours(*(stored[name].astype(np.float32) for name in Neighbours._fields))
            detector = OutlierDetector(
                distances,
                near,
                stored["centres"],
                stored["spreads"],
                stored["usual"],
                stored["spans"],
                float(stored["threshold"]),
            )
            if len(distances.mean) != features or distances.widths.sum() != features:
                raise ValueError(f"it is not for {features} features")
            detector.scores(np.zeros((1, features), np.float32))
    except ValueError as error:
        raise SetupError(f"{FILE} is damaged ({error}); publish the model again") from error
    return detector
