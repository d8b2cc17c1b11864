"""Decodes a batch to pixels, and turns probabilities into the labels of a result."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.errors import ImageError
from shared.image_status import Flag, Status
from shared.messages.batch import KINDS, BatchResult
from shared.messages.model_card import Card
from worker.decoding import decode
from worker.inference import ood_check
from worker.inference.outlier_detector import OutlierDetector

log = logging.getLogger(__name__)


class DecodedBatch(NamedTuple):
    """A decoded batch: the input of the model, and the statuses and flags known without it."""

    images: NDArray[np.uint8]  #: [n, height, width, channels]
    statuses: bytes  #: n wire codes
    flags: bytes  #: n wire codes, or nothing where no image has a flag


def decode_batch(card: Card, images: Sequence[bytes | Status]) -> DecodedBatch:
    """Decode a batch for the model of this card.

    An image that cannot be decoded leaves zeros and its code; the others are not affected.
    """
    spec = card.preprocessing
    batch = np.zeros((len(images), spec.height, spec.width, spec.channels), np.uint8)
    codes, flags = bytearray(len(images)), bytearray(len(images))
    for i in decode.decode_fast(images, spec, batch):
        image = images[i]
        try:
            if isinstance(image, Status):
                raise ImageError(image)
            if flag := decode.decode_by_format(image, spec, batch[i]):
                flags[i] = flag.code
        except ImageError as error:
            codes[i], batch[i] = error.status.code, 0
        except MemoryError:
            codes[i], batch[i] = Status.TOO_LARGE.code, 0
        except Exception:  # a bug of the decoder costs one row of the table, not the batch
            log.exception("decoding an image of %d bytes failed", len(image))
            codes[i], batch[i] = Status.UNREADABLE.code, 0
    return DecodedBatch(batch, bytes(codes), _with_gate_flags(card, batch, codes, flags))


def _with_gate_flags(
    card: Card, batch: NDArray[np.uint8], codes: bytearray, flags: bytearray
) -> bytes:
    """The flags, plus that of the pixel bounds for decoded images without another flag."""
    if card.pixel_bounds is not None:
        known = np.frombuffer(codes, np.uint8) | np.frombuffer(flags, np.uint8)
        for i in np.flatnonzero(ood_check.are_outliers(card.pixel_bounds, batch) & (known == 0)):
            flags[i] = Flag.UNLIKE_TRAINING.code
    return bytes(flags) if any(flags) else b""


def with_outliers(
    detector: OutlierDetector, features: NDArray[np.float32], batch: DecodedBatch
) -> DecodedBatch:
    """The batch, with the flag of the detector for decoded images without another flag."""
    codes = np.frombuffer(batch.statuses, np.uint8)
    flags = np.frombuffer(batch.flags or bytes(len(codes)), np.uint8).copy()
    known = flags | codes
    flags[detector.are_outliers(features) & (known == 0)] = Flag.UNLIKE_TRAINING.code
    return batch._replace(flags=flags.tobytes() if flags.any() else b"")


def top_k(probabilities: NDArray[np.float32], batch: DecodedBatch, k: int) -> BatchResult:
    """The k most probable labels of each image, with what decoding has found; ties go to the lower
    index. An image whose probabilities are not numbers has no label."""
    k = min(k, probabilities.shape[1])
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(probabilities, order, axis=1)
    codes = np.frombuffer(batch.statuses, np.uint8).copy()
    codes[(codes == 0) & ~np.isfinite(probabilities).all(1)] = Status.NO_ANSWER.code
    failed = codes != 0
    order[failed], best[failed] = 0, 0
    flags = np.frombuffer(batch.flags, np.uint8) * ~failed if batch.flags else np.empty(0, np.uint8)
    labels, values = order.astype("<u2").tobytes(), best.astype("<f4").tobytes()
    return BatchResult(k, codes.tobytes(), labels, values, flags.tobytes() if flags.any() else b"")


def join(parts: Sequence[BatchResult]) -> BatchResult:
    """One result from the results of its parts."""
    columns = {name: b"".join(part.column(name) for part in parts) for name in KINDS}
    return BatchResult.of(parts[0].k, columns)
