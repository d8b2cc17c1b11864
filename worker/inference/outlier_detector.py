"""Detects images unlike the training images by the features of a pretrained network.

The features are means over parts of the network, from its first blocks (colour, edges, texture) to
its last (objects). In each part an image has a distance from the training images: Mahalanobis'
along their main directions of variation, and the rest at the rest's mean variance (as in Lee et
al., arXiv:1807.03888). A part's logarithm of it is standardized with that of training images whose
fold was left out. The score is large if any part's is.
"""

from __future__ import annotations

import io
import zipfile
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.errors import SetupError

FILE = "outliers.npz"
#: Bounds the exponential of a score.
LARGEST = 50.0

Floats = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]  #: [n]


class PartDistances(NamedTuple):
    """The distances of images from a set of training images, in each part of the features."""

    mean: Floats  #: [features]
    scale: Floats  #: [features], inverse standard deviations
    widths: npt.NDArray[np.int64]  #: [parts], features of each
    basis: Floats  #: [features, directions]: orthogonal in each part; unused columns are 0
    gains: Floats  #: [parts, directions]: inverse variance, less that of the rest
    rest: Floats  #: [parts], inverse variance of the rest

    def logs(self, features: Floats) -> Scores:
        """Logarithms of the squared distances, float64 [n, parts]; each row depends on its own."""
        rows = (features - self.mean) * self.scale
        found = np.empty((len(rows), len(self.widths)))
        start = 0
        for part, width in enumerate(self.widths.tolist()):
            columns = slice(start, start + width)
            mine = np.ascontiguousarray(rows[:, None, columns])
            # One product of fixed shape for each row: the same bits in batches of any size.
            along = np.matmul(mine, self.basis[columns])[:, 0]
            total = np.matmul(mine, mine.transpose(0, 2, 1))[:, 0, 0]
            distance = (along * along * self.gains[part]).sum(1) + total * self.rest[part]
            found[:, part] = np.log(np.maximum(distance, np.finfo(np.float32).tiny))
            start += width
        return found


class OutlierDetector(NamedTuple):
    """Distances, and what is usual for images that they were not fitted to."""

    distances: PartDistances
    centres: Scores  #: [parts], means of the logarithms
    spreads: Scores  #: [parts], standard deviations
    threshold: float  #: scores above it are flagged

    def are_outliers(self, features: Floats) -> npt.NDArray[np.bool_]:
        """Bool [n] for features float32 [n, features]."""
        found: npt.NDArray[np.bool_] = self.scores(features) > self.threshold
        return found

    def scores(self, features: Floats) -> Scores:
        """float64 [n]."""
        return combined((self.distances.logs(features) - self.centres) / self.spreads)


def combined(standardized: Scores) -> Scores:
    """One score of those of the parts [n, parts]: a smooth maximum."""
    found: Scores = np.log(np.exp(np.minimum(standardized, LARGEST)).mean(1))
    return found


def encode(detector: OutlierDetector) -> bytes:
    """The bytes of an `.npz` file."""
    file = io.BytesIO()
    np.savez(
        file,
        allow_pickle=False,
        centres=detector.centres,
        spreads=detector.spreads,
        threshold=np.float64(detector.threshold),
        **detector.distances._asdict(),
    )
    return file.getvalue()


def decode(data: bytes, features: int) -> OutlierDetector:
    """The detector in `data`, for so many features.

    Raises:
        SetupError: the file is damaged.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            distances = PartDistances(*(stored[name] for name in PartDistances._fields))
            detector = OutlierDetector(
                distances, stored["centres"], stored["spreads"], float(stored["threshold"])
            )
        if len(distances.mean) != features or distances.widths.sum() != features:
            raise ValueError(f"it is not for {features} features")
        detector.scores(np.zeros((1, features), np.float32))
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:200]
        raise SetupError(f"{FILE} is damaged ({reason}); publish the model again") from error
    return detector
