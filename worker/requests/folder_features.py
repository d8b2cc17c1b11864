"""The request for the features of a folder of unsorted images: each is decoded once, on all cores,
and what was computed before comes from the store."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared import atomic_file
from shared.errors import SetupError
from shared.messages import replies
from shared.messages.files import printable
from shared.messages.replies import DescribedFolder, FolderFeatures
from shared.messages.requests import ComputeFeatures
from shared.registry.registry import REMEDY
from worker.backbones import backbone_table, photo_features
from worker.backbones.feature_cache import FeatureCache
from worker.backbones.photo_features import PhotoFeatures
from worker.datasets.decode_files import Bad
from worker.datasets.folder_layout import OTHER_KINDS, Item, LooseWalk
from worker.heads import near_duplicates
from worker.heads.near_duplicates import Groups
from worker.requests.context import LOADING, Context, Reply
from worker.train import photo_folder
from worker.train.photo_folder import COMPARING, digest_numbers

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
    photos, cache = computed(
        context,
        walk.items(),
        work.backbone,
        lambda files: context.loading(files, max(files, total)),
        bad.append,
    )
    if not photos.paths:
        raise SetupError(
            f"none of the {total:,} files under {printable(walk.root)} can be read as an image; "
            f"the first: {printable(bad[0].path)}: {bad[0].status.sentence}"
        )
    with atomic_file.writing(context.registry.root / photo_folder.FOLDER, REMEDY):
        short = short_rows(photos, cache, context.loading_part)
    answer = DescribedFolder(
        images=len(photos.paths),
        unreadable=len(bad),
        closed=tuple(sorted(printable(folder) for folder in walk.closed)),
        stacks=int(short.stacks.max()) + 1,
        other_kinds=walk.skipped[OTHER_KINDS],
    )
    features = _features(walk, photos, short, bad)
    return Reply(answer, {replies.FEATURES_FILE: replies.encode_features(features)})


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


def short_rows(
    photos: PhotoFeatures, features: FeatureCache, on_part: Callable[[str, int, int], None]
) -> ShortRows:
    """The short rows of these photos, which are stored beside their features. `on_part` gets the
    names of the steps that compute them.

    Raises:
        OSError: the store cannot be written.
    """
    digests = [digest.tobytes() for digest in photos.digests]
    width = min(near_duplicates.COMPONENTS, *photos.features.shape)
    # All rows depend on all images, not on their order.
    parts = [FORM, features.key.encode(), *sorted(digests)]
    key = hashlib.sha256(b"".join(parts)).hexdigest()[:24]
    cache = features.with_key(key, NUMBER_BYTES * width + STACK_BYTES)
    if (stored := _read(cache, digests)) is not None:
        return stored
    on_part(COMPARING, 0, 0)
    stacks = near_duplicates.groups(photos.features, digest_numbers(photos))
    on_part(REDUCING, 0, 0)
    rows = near_duplicates.embedded(photos.features)
    encoded = (
        stack.tobytes() + row.tobytes()
        for stack, row in zip(stacks.astype("<u4"), rows.astype("<f2"), strict=True)
    )
    cache.add(dict(zip(digests, encoded, strict=True)))
    cache.trim()
    return _read(cache, digests) or ShortRows(rows, stacks)  # equal files have one row


def _read(cache: FeatureCache, digests: Sequence[bytes]) -> ShortRows | None:
    """None: they are not stored, or damaged."""
    stored = [row for row in map(cache.get, digests) if row is not None]
    if len(stored) < len(digests):
        return None
    cache.mark_used()
    table = np.frombuffer(b"".join(stored), np.uint8).reshape(len(stored), -1)
    stacks = table[:, :STACK_BYTES].copy().view("<u4")[:, 0]
    return ShortRows(table[:, STACK_BYTES:].copy().view("<f2"), stacks.astype(np.int64))
