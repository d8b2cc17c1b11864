"""The images of a folder as short rows of numbers, with their near-duplicates: computed once for
the same files, under any names, and stored as the features are."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from worker.backbones.feature_cache import FeatureCache
from worker.backbones.photo_features import PhotoFeatures
from worker.photo_head import near_duplicates
from worker.photo_head.near_duplicates import Groups
from worker.training.photo_folder import COMPARING, OnPart, digest_numbers

#: Changes with how rows and near-duplicates are computed.
FORM = b"short rows 2"
STACK_BYTES, NUMBER_BYTES = 4, 2
REDUCING = "finding what differs"


class ShortRows(NamedTuple):
    """Of images [n]."""

    rows: npt.NDArray[np.float16]  #: [n, width], principal components
    stacks: Groups  #: the number of the group of near-duplicates


class StoredRows:
    """The short rows of these photos in the store, beside the features in `features`."""

    def __init__(self, photos: PhotoFeatures, features: FeatureCache) -> None:
        self._photos = photos
        self._digests = [digest.tobytes() for digest in photos.digests]
        self._width = min(near_duplicates.COMPONENTS, *photos.features.shape)
        # All rows depend on all images, not on their order.
        parts = [FORM, features.key.encode(), *sorted(self._digests)]
        key = hashlib.sha256(b"".join(parts)).hexdigest()[:24]
        self._cache = features.beside(key, NUMBER_BYTES * self._width + STACK_BYTES)

    def read(self) -> ShortRows | None:
        """None: they are not stored, or damaged."""
        found = [self._cache.get(digest) for digest in self._digests]
        known = [row for row in found if row is not None]
        if len(known) < len(found):
            return None
        self._cache.mark_used()
        table = np.frombuffer(b"".join(known), np.uint8).reshape(len(known), -1)
        stacks = table[:, :STACK_BYTES].copy().view("<u4")[:, 0]
        return ShortRows(table[:, STACK_BYTES:].copy().view("<f2"), stacks.astype(np.int64))

    def computed(self, on_part: OnPart) -> ShortRows:
        """Compute and store them. `on_part` gets the names of the steps.

        Raises:
            OSError: the store cannot be written.
        """
        on_part(COMPARING, 0, 0)
        stacks = near_duplicates.groups(self._photos.features, digest_numbers(self._photos))
        on_part(REDUCING, 0, 0)
        rows = near_duplicates.embedded(self._photos.features)
        encoded = (
            stack.tobytes() + row.tobytes()
            for stack, row in zip(stacks.astype("<u4"), rows.astype("<f2"), strict=True)
        )
        self._cache.add(dict(zip(self._digests, encoded, strict=True)))
        self._cache.trim()
        return self.read() or ShortRows(rows, stacks)  # equal files have one row
