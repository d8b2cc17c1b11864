"""The request for the features of a folder of unsorted images: each is decoded once, on all cores,
and what was computed before comes from the store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from shared import atomic_file
from shared.errors import SetupError
from shared.messages import folder_features
from shared.messages.files import printable
from shared.messages.folder_features import FolderFeatures
from shared.messages.replies import DescribedFolder
from shared.messages.requests import ComputeFeatures
from shared.registry.registry import REMEDY
from worker.backbones import loaded_backbone, photo_features
from worker.backbones.feature_cache import FeatureCache
from worker.backbones.photo_features import PhotoFeatures
from worker.datasets.decode_files import Bad
from worker.datasets.folder_layout import OTHER_KINDS, Item, LooseWalk
from worker.handlers.context import LOADING, Context, Reply
from worker.handlers.short_rows import ShortRows, StoredRows
from worker.training import photo_folder


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
    return Reply(answer, {folder_features.FILE: folder_features.encode_features(features)})


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

    loaded = loaded_backbone.load(backbone, context.registry.root)
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
