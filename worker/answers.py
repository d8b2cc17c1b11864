"""From encoded images to pixels, and from probabilities to answers."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.card import Preprocessing
from shared.contract import BatchResult
from shared.errors import ImageError
from shared.status import Status
from worker import decode

log = logging.getLogger(__name__)


def pixels(
    spec: Preprocessing, images: Sequence[bytes | Status]
) -> tuple[NDArray[np.uint8], bytes]:
    """Decode a batch: uint8 [n, height, width, channels], and n status codes.

    An image that cannot be decoded leaves zeros and its code; its neighbours go on.
    """
    batch = np.zeros((len(images), spec.height, spec.width, spec.channels), np.uint8)
    codes = bytearray(len(images))
    for i, image in enumerate(images):
        try:
            if isinstance(image, Status):
                raise ImageError(image)
            batch[i] = decode.decode(image, spec)
        except ImageError as error:
            codes[i] = error.status.code
        except Exception:  # a fault of the decoder's own: one row of the table, not all of them
            log.exception("decoding a picture of %d bytes failed", len(image))
            codes[i] = Status.UNREADABLE.code
    return batch, bytes(codes)


def top_k(probabilities: NDArray[np.float32], codes: bytes, k: int) -> BatchResult:
    """The k most probable labels of each image; ties go to the lower index."""
    k = min(k, probabilities.shape[1])
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(probabilities, order, axis=1)
    failed = np.frombuffer(codes, np.uint8) != 0
    order[failed], best[failed] = 0, 0
    return BatchResult(k, codes, order.astype("<u2").tobytes(), best.astype("<f4").tobytes())


def join(parts: Sequence[BatchResult]) -> BatchResult:
    """One result from the results of single images."""
    return BatchResult(
        parts[0].k,
        b"".join(part.statuses for part in parts),
        b"".join(part.indices for part in parts),
        b"".join(part.probabilities for part in parts),
    )
