"""Labelled images, as training, calibration and evaluation exchange them, and their split into
training, held-out and test images.

In class folders a threshold on the hash of its file decides an image's part. The part is the same
in every training and for every recipe, and does not depend on other images or on names. Three
things may move an image: a copy with the same pixels in another file, since equal pixels share a
part; files deleted from a class so small that a part would be empty (`_balance`); and a test/ or
validation/ that is added or removed. Pixels are compared in the recipe's size, so copies may be
equal for one recipe only; an image that is encoded again with other pixels counts as another image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from shared.messages.training import SMALLEST_CLASS

#: [n, height, width, channels], 0 to 255; in memory or memory-mapped.
Images = npt.NDArray[np.uint8]
DIGEST_BYTES = 32
Digests = npt.NDArray[np.uint8]  #: [n, DIGEST_BYTES], SHA-256 of files
Labels = npt.NDArray[np.int64]  #: [n], indices of the card's labels
#: The part of an image. In a folder without splits it is undecided at first.
UNDECIDED, TRAINING, HELDOUT, TEST = -1, 0, 1, 2
#: Shares of the range of the hash. 500 of the 6,000 of each class of Fashion-MNIST are held out.
HELDOUT_SHARE, TEST_SHARE = 1 / 12, 1 / 6
#: Least images of a class to hold some out. A twelfth of fewer images is rounded to none.
SMALLEST_HELDOUT = 6
_HASH_BYTES = 8

Parts = npt.NDArray[np.int8]  #: [n], one of the four above
Hashes = npt.NDArray[np.uint64]  #: [n]


class ImageRows(Protocol):
    """Images that are read one at a time: an array of them, or files that are decoded."""

    def __getitem__(self, number: int, /) -> npt.NDArray[np.uint8]: ...


#: Copied at once from a mapped file.
CHUNK_BYTES = 8 << 20


class Examples(NamedTuple):
    """n images and their labels."""

    images: Images
    labels: Labels

    @classmethod
    def from_arrays(
        cls, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer]
    ) -> Examples:
        """Accepts images uint8 [n, H, W] or [n, H, W, C] and labels of any integer type [n]."""
        shape = images.shape if images.ndim == 4 else (*images.shape, 1)
        return cls(images.reshape(shape), labels.astype(np.int64))

    def selected(self, mask: npt.NDArray[np.bool_]) -> Examples:
        """The examples selected by the mask bool [n], in order: a copy in memory."""
        return Examples(self.images[mask], self.labels[mask])

    def fingerprint(self) -> str:
        """sha256 over shape, images and labels, in this order."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        for chunk in chunks(self.images):
            digest.update(np.ascontiguousarray(chunk).data)
        digest.update(np.ascontiguousarray(self.labels, dtype="<i8").data)
        return digest.hexdigest()


def evenly_spaced(total: int, count: int) -> npt.NDArray[np.int64]:
    """`count` places from 0 to `total`; all places if there are fewer."""
    count = min(total, count)
    return np.arange(count) * total // max(count, 1)


def chunks(images: Images) -> Iterator[Images]:
    """Images uint8 [n, ...] in parts of about `CHUNK_BYTES`, as views."""
    count = chunk_images(images.shape[1:])
    for start in range(0, len(images), count):
        yield images[start : start + count]


def chunk_images(shape: tuple[int, ...]) -> int:
    """The number of images of this shape in a chunk, at least one."""
    return max(1, CHUNK_BYTES // int(np.prod(shape, dtype=np.int64)))


def parts(given: Parts, labels: Labels, files: Hashes, contents: Hashes) -> Parts:
    """The part of each image [n]. `files` are hashes of its file, `contents` of its pixels.

    Without splits, a sixth of each class is for the test and a twelfth is held out. With train/
    and test/, a twelfth of train/ is held out; with train/ and validation/, nothing changes.
    Images with the same pixels get the same part, unless the folders put them into two.
    """
    if HELDOUT in given:
        return given.copy()
    free = given != TEST
    with_test = TEST not in given
    chosen = given.copy()
    same, keys = _alike(files[free], contents[free])
    sides = _by_threshold(keys, with_test)
    for members in _of_each_class(labels[free]):
        _balance(sides, keys, same, members, with_test)
    chosen[free] = sides
    return chosen


def _alike(files: Hashes, contents: Hashes) -> tuple[npt.NDArray[np.int64], Hashes]:
    """The number of each image's group of equal pixels, and the group's smallest hash."""
    groups, same = np.unique(contents, return_inverse=True)
    smallest = np.full(len(groups), np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(smallest, same, files)
    return same, smallest[same]


def _by_threshold(keys: Hashes, with_test: bool) -> Parts:
    share = keys / 2.0**64
    sides = np.full(len(keys), TRAINING, np.int8)
    if with_test:
        sides[share < HELDOUT_SHARE + TEST_SHARE] = TEST
    sides[share < HELDOUT_SHARE] = HELDOUT
    return sides


def _of_each_class(labels: Labels) -> list[npt.NDArray[np.int64]]:
    """The indices of the images of each non-empty class."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if len(labels) else []


def _balance(
    sides: Parts,
    keys: Hashes,
    same: npt.NDArray[np.int64],
    members: npt.NDArray[np.int64],
    with_test: bool,
) -> None:
    """Move images into the empty parts of a class, if it has enough images.

    `keys` are the hashes that order images, `same` the groups of equal pixels, which move as one,
    and `members` the indices of the class. Training gets two, from the end of the range that the
    other parts have not got.
    """
    # One image of each group, by its hash: the choice does not depend on the order.
    ordered = members[np.lexsort((same[members], keys[members]))]
    ordered = ordered[np.unique(same[ordered], return_index=True)[1]]
    ordered = ordered[np.argsort(keys[ordered], kind="stable")]
    if len(ordered) < SMALLEST_CLASS:
        return
    wanted = [(HELDOUT, ordered, 1), (TRAINING, ordered[::-1], 2), (TEST, ordered, 1)]
    for part, candidates, least in wanted if with_test else wanted[:2]:
        missing = least - np.count_nonzero(sides[ordered] == part)
        for image in _spare(sides, candidates, part)[: max(0, missing)]:
            sides[same == same[image]] = part


def _spare(sides: Parts, candidates: npt.NDArray[np.int64], part: int) -> npt.NDArray[np.int64]:
    """The candidates that their part can spare: more than one, or more than two to learn from."""
    counts = np.bincount(sides[candidates], minlength=3)
    enough = counts > np.array([2, 1, 1])
    here = sides[candidates]
    spare: npt.NDArray[np.int64] = candidates[(here != part) & enough[here]]
    return spare


def hold_out(examples: Examples) -> tuple[Examples, Examples]:
    """The images to learn from, and those held out for selection and calibration.

    The choice depends only on the content of the images. So an image stays held out in every
    retraining, whatever the seed and the order, and versions are compared on the same images.
    """
    held = heldout_mask(examples.images, examples.labels)
    return examples.selected(~held), examples.selected(held)


def heldout_mask(images: Images, labels: Labels) -> npt.NDArray[np.bool_]:
    """Mask bool [n]: in each class, the twelfth with the smallest content hashes.

    Identical images of a class get the same part. All images of a class of fewer than
    `SMALLEST_HELDOUT` are learned from.
    """
    hashes = content_hashes(images)
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        of_class = labels == label
        count = int(of_class.sum() * HELDOUT_SHARE + 0.5)
        if count:
            threshold = np.sort(hashes[of_class])[count - 1]
            held |= of_class & (hashes <= threshold)
    return held


def content_hashes(images: Images) -> Hashes:
    """The `hash64` of each image's pixels, uint64 [n]."""
    return np.array([hash64(np.ascontiguousarray(image).data) for image in images], np.uint64)


def hash64(data: bytes | memoryview) -> int:
    """The first 8 bytes of the BLAKE2b."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=_HASH_BYTES).digest(), "little")
