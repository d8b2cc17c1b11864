"""A folder of photos as a head learns from it: features, groups of near-duplicates, a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared import atomic_file
from shared.errors import first_names
from shared.messages.files import printable
from shared.messages.model_card import Preprocessing
from shared.messages.replies import DataReport
from shared.registry.registry import REMEDY
from worker.backbones import feature_cache, photo_features
from worker.backbones.backbone_table import LoadedBackbone
from worker.backbones.feature_cache import FeatureCache
from worker.backbones.photo_features import PhotoFeatures, View
from worker.datasets import class_folder, quality
from worker.datasets.class_folder import Counts
from worker.datasets.corrected_walk import CorrectedWalk, LabelledData, LostFile
from worker.datasets.decode_files import Bad
from worker.datasets.examples import TEST, TRAINING, Hashes
from worker.datasets.folder_layout import LOST, ClassFolderWalk
from worker.datasets.quality import NAMED, NAMED_IN_ERROR, UnreadableFiles
from worker.heads import near_duplicates
from worker.heads.near_duplicates import Groups, groups

#: Files of a folder whose mirror images the first look may learn from as well, which takes twice
#: its time and memory. On 2,900 photos they raised the accuracy by 0.7 points, on 1,800 others not
#: at all. Those of the second look change less than 0.1 points.
MOST_MIRRORED = 4000
#: In the store: the features.
FOLDER = ".features"
COMPARING = "searching near-duplicates"

Progress = Callable[[int, int], None]
#: Gets the name of a part of the work, and how many of its steps are done, of how many.
OnPart = Callable[[str, int, int], None]


def unobserved(part: str, done: int, total: int) -> None:
    """Do nothing."""


class PhotoFolder(NamedTuple):
    """Photos in class folders. All but those of test/ are learned from."""

    name: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    learn: PhotoFeatures
    groups: Groups  #: of `learn`
    test: PhotoFeatures | None
    report: DataReport
    unreadable: Sequence[Bad] = ()
    #: The paths of labelled photos that are not learned from, by the SHA-256 of their files.
    set_aside: Mapping[str, bytes] = {}


def load(
    data: LabelledData,
    backbones: Sequence[LoadedBackbone],
    store: Path,
    max_unreadable: float,
    on_progress: Progress,
    *,
    to_train: bool,
    on_part: OnPart = unobserved,
) -> PhotoFolder:
    """The photos of a folder, as corrected, with the features of backbones in the order of their
    looks; what `store` has is not computed again.

    `to_train`: also those of the mirror images, in a folder of at most MOST_MIRRORED files, and
    corrected photos that are gone, if `store` has their features. `on_part` gets the name of what
    takes its time beside the photos, and its steps.

    Raises:
        SetupError: there is no such data set, too many of its files are not images, or the store
            cannot be written.
    """
    walk = data.walk()
    counts = class_folder.count_files(walk, on_progress)
    spec = backbones[0].row.spec
    refused = UnreadableFiles(walk.root, sum(counts.values()), max_unreadable, on_progress)
    both = to_train and sum(counts.values()) <= MOST_MIRRORED
    with atomic_file.writing(store / FOLDER, REMEDY):
        views = [view(backbone, store / FOLDER) for backbone in backbones]
        if both:
            views.append(view(backbones[0], store / FOLDER, is_mirrored=True))
        gone = _remembered(walk, views) if to_train else []
        _check_with_lost(walk, counts, gone, on_progress)
        refused.done(0)
        photos = photo_features.compute(
            walk.items(), spec, views, refused.files.append, refused.done, gone
        )
    refused.check()
    _check_classes(walk, photos)
    on_part(COMPARING, 0, 0)
    alike = _near_duplicates(photos)
    report = _report(walk, spec, photos, alike, refused, len(gone))
    learn = photos.parts != TEST
    return PhotoFolder(
        name=printable(walk.root.rpartition(b"/")[2]),
        labels=walk.labels,
        preprocessing=spec,
        learn=photos.selected(learn),
        groups=np.unique(alike[learn], return_inverse=True)[1],
        test=photos.selected(~learn) if not learn.all() else None,
        report=report,
        unreadable=refused.files,
        set_aside=walk.set_aside,
    )


def _remembered(walk: CorrectedWalk, views: Sequence[View]) -> list[LostFile]:
    """The corrected photos that are gone and whose features every cache has."""
    return [
        lost for lost in walk.lost if all(view.cache.get(lost.digest) is not None for view in views)
    ]


def _check_with_lost(
    walk: CorrectedWalk, counts: Counts, gone: list[LostFile], on_progress: Progress
) -> None:
    """Check the classes; lost corrected photos in `gone` are learned from. Without a class whose
    photos are all lost the others have other numbers, also in `gone`."""
    names = [walk.labels[lost.item.label] for lost in gone]
    still_used = {lost.item.label for lost in gone}
    counts = class_folder.without_empty(walk, counts, on_progress, still_used)
    for place, name in enumerate(names):
        item = gone[place].item._replace(label=walk.labels.index(name))
        gone[place] = gone[place]._replace(item=item)
        counts[item.label, item.part] += 1
    class_folder.check_files(walk, counts, to_learn=True)


def _check_classes(walk: ClassFolderWalk, photos: PhotoFeatures) -> None:
    """Check that each class has enough different photos to learn from."""
    for number in range(len(walk.labels)):
        mine = (photos.labels == number) & (photos.parts != TEST)
        class_folder.check_class(walk, number, len(np.unique(photos.contents[mine])))


def _near_duplicates(photos: PhotoFeatures) -> Groups:
    return groups(photos.features, digest_numbers(photos), mirrored=photos.mirrored)


def view(backbone: LoadedBackbone, folder: Path, *, is_mirrored: bool = False) -> View:
    """A backbone with its cache in `folder`."""
    row = backbone.row
    key = feature_cache.cache_key(row.sha256, row.spec, row.imported, mirrored=is_mirrored)
    cache = FeatureCache(folder, key, photo_features.row_bytes(row.features))
    return View(backbone, cache, is_mirrored)


def digest_numbers(photos: PhotoFeatures) -> Hashes:
    """The first 8 bytes of each digest, uint64 [n]."""
    return photos.digests[:, :8].copy().view("<u8")[:, 0].astype(np.uint64)


def _report(
    walk: ClassFolderWalk,
    spec: Preprocessing,
    photos: PhotoFeatures,
    alike: Groups,
    refused: UnreadableFiles,
    gone: int,
) -> DataReport:
    parts = np.where(photos.parts == TEST, TEST, TRAINING).astype(np.int8)
    learn = photos.parts != TEST
    single = near_duplicates.alike(alike[learn], photos.labels[learn])
    named = _duplicates(walk, photos, alike)
    walk.skipped[LOST] -= gone
    notes = (
        *quality.notes(
            walk.labels, photos.labels, parts, alike, walk.skipped,
            alike="near-duplicates", to_learn=True,
        ),
        *_of_one_scene([walk.labels[label] for label in single]),
        *_of_lost(gone),
    )  # fmt: skip
    return quality.data_report(
        walk, spec, photos.labels, parts, refused, notes, named[:NAMED], duplicates_count=len(named)
    )


def _of_one_scene(labels: Sequence[str]) -> Iterator[str]:
    """A note on classes whose photos had to be learned from and measured all the same."""
    if labels:
        yield (
            f"all photos of {first_names(labels, NAMED_IN_ERROR)} are near-duplicates of each "
            f"other: {'its' if len(labels) == 1 else 'their'} figures are too good; add photos of "
            "other moments"
        )


def _of_lost(gone: int) -> Iterator[str]:
    """A note on photos that are learned from though they are gone."""
    if gone:
        what = "1 corrected photo is" if gone == 1 else f"{gone:,} corrected photos are"
        yield f"{what} gone: learned from by the features that the store has"


def _duplicates(walk: ClassFolderWalk, photos: PhotoFeatures, alike: Groups) -> list[str]:
    """A line for each image that is nearly the same as an earlier one."""

    def path(number: int) -> str:
        return printable(photos.paths[number].removeprefix(walk.root + b"/"))

    pairs = quality.repeated(alike)
    return [f"{path(number)}: like {path(first)}" for number, first in pairs]
