"""Which images are learned from, which are held out, and which are kept for the test.

An image's side is decided by a threshold on the hash of its file: the same in every training and
for every recipe, whatever other images come, go or change their names. Three things may move one
that was learned from: a copy with the same pixels in another file, since equal pixels share a
side; files deleted from a class so small that a part would be empty (`_balance`); and a test/ or
validation/ that is added or taken away. Pixels are compared as the recipe made them, so copies may
be equal for one recipe only; an image encoded anew with other pixels is another image.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from worker.datasets.examples import Examples, Images, Labels

#: What may become of an image. In a folder without splits it is undecided at first.
UNDECIDED, TRAINING, HELDOUT, TEST = -1, 0, 1, 2
#: Shares of the range of the hash. 500 of the 6,000 of each class of Fashion-MNIST are held out.
HELDOUT_SHARE, TEST_SHARE = 1 / 12, 1 / 6
#: Different images of a class: two to learn from, one held out, one for the test.
SMALLEST_CLASS = 4
#: Where only some are held out. A twelfth of fewer images is rounded to none.
SMALLEST_HELDOUT = 6
_HASH_BYTES = 8

Parts = npt.NDArray[np.int8]  #: [n], one of the four above
Hashes = npt.NDArray[np.uint64]  #: [n]


def parts(given: Parts, labels: Labels, files: Hashes, contents: Hashes) -> Parts:
    """The part of each image [n]. `files` are hashes of its file, `contents` of its pixels.

    Without splits: in each class a sixth for the test, a twelfth held out. With train/ and test/,
    a twelfth of train/ is held out; with train/ and validation/, all stays as given. Images with
    the same pixels are on one side, except where they were given on two.
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
    """The places of the images of each class that there is."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if len(labels) else []


def _balance(
    sides: Parts,
    keys: Hashes,
    same: npt.NDArray[np.int64],
    members: npt.NDArray[np.int64],
    with_test: bool,
) -> None:
    """Let a class that chance left without a part have one image there, if it has enough."""
    # One of each group, by the hash: what is moved does not depend on the order.
    ordered = members[np.lexsort((same[members], keys[members]))]
    ordered = ordered[np.unique(same[ordered], return_index=True)[1]]
    ordered = ordered[np.argsort(keys[ordered], kind="stable")]
    if len(ordered) < SMALLEST_CLASS:
        return
    wanted = [(HELDOUT, ordered, 1), (TRAINING, ordered[::-1], 2), (TEST, ordered, 1)]
    for part, candidates, least in wanted if with_test else wanted[:2]:
        missing = least - np.count_nonzero(sides[ordered] == part)
        for one in _spare(sides, candidates, part)[: max(0, missing)]:
            sides[same == same[one]] = part


def _spare(sides: Parts, candidates: npt.NDArray[np.int64], part: int) -> npt.NDArray[np.int64]:
    """Those whose part has enough without them: more than one, or more than two to learn from."""
    counts = np.bincount(sides[candidates], minlength=3)
    enough = counts > np.array([2, 1, 1])
    here = sides[candidates]
    spare: npt.NDArray[np.int64] = candidates[(here != part) & enough[here]]
    return spare


def hold_out(examples: Examples) -> tuple[Examples, Examples]:
    """The images to learn from, and those held out: for choosing and calibrating.

    The choice depends on the content of the images alone, so that an image stays held out in every
    retraining, whatever the seed and the order, and versions can be compared on the same images.
    """
    held = heldout_mask(examples.images, examples.labels)
    return examples.where(~held), examples.where(held)


def heldout_mask(images: Images, labels: Labels) -> npt.NDArray[np.bool_]:
    """Mask bool [n]: in each class, the twelfth with the smallest content hashes.

    Identical images of a class fall on the same side. A class of fewer than `SMALLEST_HELDOUT`
    images is learned from as a whole.
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
    """The first 8 bytes of the BLAKE2b of each image's pixels, uint64 [n]."""
    digests = (
        hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=_HASH_BYTES).digest()
        for image in images
    )
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)
