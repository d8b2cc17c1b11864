"""Which training images are held out: for choosing and calibrating, never for learning.

The choice depends on the content of the images alone, so that an image stays held out in every
retraining, whatever the seed and the order, and versions can be compared on the same images.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from worker.examples import Examples, Images, Labels

#: Of each class. 500 of the 6,000 of each class of Fashion-MNIST.
HELDOUT_SHARE = 1 / 12
#: A twelfth of fewer images is rounded to none.
SMALLEST_CLASS = 6
_HASH_BYTES = 8


def split(examples: Examples) -> tuple[Examples, Examples]:
    """The images to learn from, and those held out."""
    held = heldout(examples.images, examples.labels)
    return examples.where(~held), examples.where(held)


def heldout(images: Images, labels: Labels) -> npt.NDArray[np.bool_]:
    """Mask bool [n]: in each class, the twelfth with the smallest content hashes.

    Identical images of a class fall on the same side. A class of fewer than `SMALLEST_CLASS`
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


def content_hashes(images: Images) -> npt.NDArray[np.uint64]:
    """The first 8 bytes of the BLAKE2b of each image's pixels, uint64 [n]."""
    digests = (
        hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=_HASH_BYTES).digest()
        for image in images
    )
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)
