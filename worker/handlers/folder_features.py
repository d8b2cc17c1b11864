"""The request for the features of a folder of unsorted images: each is decoded once, on all cores,
and what was computed before comes from the store."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared import atomic_file
from shared.errors import SetupError
from shared.messages import request_files
from shared.messages.files import printable
from shared.messages.replies import DescribedFolder
from shared.messages.request_files import FolderFeatures
from shared.messages.requests import ComputeFeatures
from shared.registry.registry import REMEDY
from worker.backbones import backbone_table, photo_features
from worker.backbones.feature_cache import FeatureCache
from worker.backbones.photo_features import PhotoFeatures
from worker.datasets.decode_files import Bad
from worker.datasets.folder_layout import OTHER_KINDS, Item, LooseWalk
from worker.handlers.context import LOADING, Context, Reply
from worker.photo_head import near_duplicates
from worker.photo_head.near_duplicates import Groups
from worker.training import photo_folder
from worker.training.photo_folder import COMPARING, OnPart, digest_numbers

#: Changes with how rows and near-duplicates are computed.
FORM = b"short rows 2"
STACK_BYTES, NUMBER_BYTES = 4, 2
REDUCING = "finding what differs"


def compute(context: Context, work: ComputeFeatures) -> Reply:
    """A DescribedFolder, with the features of its images as folder_features.FILE.

    Raises:
        SetupError: the folder cannot be read or has no images.
        RequestStopped: the request was cancelled or taken over.
    """
    context.stage(LOADING)
    walk = LooseWalk(Path(work.data))
    total = sum(1 for _ in walk.items())
    if not total:
        raise SetupError(f"there are no images under {printable(walk.root)}; name another folder")
    bad: list[Bad] = []
    photos, cache = _photos(context, walk, work.backbone, total, bad)
    if not photos.paths:
        raise SetupError(
            f"none of the {total:,} files under {printable(walk.root)} can be read as an image; "
            f"the first: {printable(bad[0].path)}: {bad[0].status.sentence}"
        )
    short = _short_rows(context, StoredRows(photos, cache))
    answer = DescribedFolder(
        images=len(photos.paths),
        unreadable=len(bad),
        closed=tuple(sorted(printable(folder) for folder in walk.closed)),
        stacks=int(short.stacks.max()) + 1,
        other_kinds=walk.skipped[OTHER_KINDS],
    )
    features = _features(walk, photos, short, bad)
    return Reply(answer, {request_files.FEATURES_FILE: request_files.encode_features(features)})


def _photos(
    context: Context, walk: LooseWalk, backbone: str, total: int, bad: list[Bad]
) -> tuple[PhotoFeatures, FeatureCache]:
    """The features of all images, with progress, and where the store has them."""

    def done(files: int) -> None:
        context.loading(files, max(files, total))

    return computed(context, walk.items(), backbone, done, bad.append)


def computed(
    context: Context,
    items: Iterable[Item],
    backbone: str,
    on_done: Callable[[int], None],
    on_bad: Callable[[Bad], None],
) -> tuple[PhotoFeatures, FeatureCache]:
    """The features of images by a backbone, and where the store has them. An empty name is that of
    the first look. `on_done` gets the number of files so far, and may raise to stop.

    Raises:
        SetupError: there is no such backbone, or the store cannot be written.
    """
    passed = 0

    def done(files: int) -> None:
        nonlocal passed
        passed += files
        on_done(passed)

    loaded = backbone_table.load(backbone, context.registry.root)
    folder = context.registry.root / photo_folder.FOLDER
    with atomic_file.writing(folder, REMEDY):
        view = photo_folder.view(loaded, folder)
        photos = photo_features.compute(items, loaded.row.spec, [view], on_bad, done)
    return photos, view.cache


def _short_rows(context: Context, stored: StoredRows) -> ShortRows:
    if (known := stored.read()) is not None:
        return known
    with atomic_file.writing(context.registry.root / photo_folder.FOLDER, REMEDY):
        return stored.computed(context.loading_part)


def _features(
    walk: LooseWalk, photos: PhotoFeatures, short: ShortRows, bad: list[Bad]
) -> FolderFeatures:
    return FolderFeatures(
        root=os.path.abspath(walk.root),
        paths=photos.paths,
        digests=np.ascontiguousarray(photos.digests).tobytes(),
        width=short.rows.shape[1],
        rows=short.rows.astype("<f2").tobytes(),
        stacks=short.stacks.astype("<u4").tobytes(),
        unreadable=[failure.path for failure in bad],
        statuses=bytes(failure.status.code for failure in bad),
    )


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
