"""Divides images into folds for cross-validation by a hash of their content.

An image stays in its fold in every retraining, whatever is added or removed, unless its group of
near-duplicates changes, one of its classes would have no images outside of the fold, or the number
of folds changes, as between 500 and 501 images.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from worker.photo_head.linear_head import Labels
from worker.photo_head.near_duplicates import Digests, Groups

#: With five folds a head is measured on four fifths of what the published one learns from.
FOLDS = 5
#: For few images that is too different: on groceries, 15 to 40 photos of each of 12 classes, the
#: published head was right 1 to 9 points more often than its confidence, with ten folds 1 to 4.
#: From 60 of each on both are within 1, and twenty folds change nothing.
FEW_IMAGES, FOLDS_OF_FEW = 500, 10

Folds = npt.NDArray[np.int64]  #: [n], counted from 0
Presence = npt.NDArray[np.int64]  #: [classes, folds], images


def fold_count(images: int) -> int:
    """The number of folds in which heads of this number of images are measured."""
    return FOLDS_OF_FEW if images <= FEW_IMAGES else FOLDS


def folds(groups: Groups, digests: Digests, labels: Labels, count: int = FOLDS) -> Folds:
    """The fold of each image; a group is in one fold.

    Each class of two different images has images in two folds at least, so that a head without
    one fold knows every class. Where all images of a class are near-duplicates, they are
    separated for this; `alike` names these classes.
    """
    parts = separated(groups, digests, labels)
    keys = np.full(int(parts.max(initial=-1)) + 1, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(keys, parts, digests)
    of_part = (keys % np.uint64(count)).astype(np.int64)
    _spread(of_part, keys, parts, labels, count)
    of_image: Folds = of_part[parts]
    return of_image


def alike(groups: Groups, labels: Labels) -> list[int]:
    """The classes whose images, two or more, are one group: no figure of theirs is reliable."""
    return [
        int(label)
        for label in np.unique(labels)
        if np.count_nonzero(labels == label) > 1 and len(np.unique(groups[labels == label])) == 1
    ]


def separated(groups: Groups, digests: Digests, labels: Labels) -> Groups:
    """The groups, and in place of those that are a whole class its single contents."""
    parts = groups.copy()
    for label in alike(groups, labels):
        mine = labels == label
        contents = np.unique(digests[mine], return_inverse=True)[1]
        parts[mine] = parts.max() + 1 + contents
    numbers: Groups = np.unique(parts, return_inverse=True)[1]
    return numbers


def _spread(of_part: Folds, keys: Digests, parts: Groups, labels: Labels, count: int) -> None:
    """Move parts of classes that are in one fold, each to the fold where it helps most."""
    presence = np.zeros((int(labels.max(initial=-1)) + 1, count), np.int64)
    np.add.at(presence, (labels, of_part[parts]), 1)
    steps = range(1, count)
    fixed = np.array([len(np.unique(parts[labels == label])) < 2 for label in range(len(presence))])

    def lonely(present: Presence) -> npt.NDArray[np.int64]:
        return np.flatnonzero((np.count_nonzero(present, axis=1) == 1) & ~fixed)

    while len(alone := lonely(presence)):
        # By content, not by the number of the class, which depends on the other classes. Equal
        # contents of separated classes move together.
        for key in np.unique(keys[parts[np.isin(labels, alone)]])[::-1]:
            same = keys == key
            here = int(of_part[same][0])
            moved = np.bincount(labels[same[parts]], minlength=len(presence))
            trials = [_moved(presence, moved, here, (here + step) % count) for step in steps]
            remaining = [len(lonely(trial)) for trial in trials]
            if min(remaining) < len(alone):
                best = int(np.argmin(remaining))
                of_part[same], presence = (here + steps[best]) % count, trials[best]
                break
        else:  # groups across many classes; each has an image elsewhere
            return


def _moved(presence: Presence, images: npt.NDArray[np.int64], start: int, end: int) -> Presence:
    """The presence with `images`, counted by class, in the fold `end` instead of `start`."""
    moved = presence.copy()
    moved[:, start] -= images
    moved[:, end] += images
    return moved
