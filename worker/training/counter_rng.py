"""Counter-based random numbers: they depend only on a seed, an epoch and the number of an image.

The generator is a hash without state, so an image's augmentation does not depend on its batch.
SplitMix64: Steele, Lea and Flood, doi:10.1145/2660193.2660195.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]  #: [n], of images in their data set
Words = npt.NDArray[np.uint64]

_STRIDE = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_WORD = (1 << 64) - 1
_UNIT = 2.0**-53  #: a double has 53 significant bits


class CounterRng:
    """Draws for the images with these numbers; `key` distinguishes sets of draws."""

    def __init__(self, numbers: Numbers, *key: int) -> None:
        self._numbers = numbers.astype(np.uint64)
        self._key = key

    def words(self, *key: int) -> Words:
        """64 random bits for each image, uint64 [n]."""
        start = 0
        for part in (*self._key, *key):
            start = _mixed_int(start + _STRIDE * (part + 1))
        # Mixed twice, so that neighbours of one key do not correlate with those of another.
        return _mixed(_mixed(self._numbers * np.uint64(_STRIDE)) ^ np.uint64(start))

    def uniform(self, *key: int) -> npt.NDArray[np.float64]:
        """Uniform in [0, 1), float64 [n]."""
        return (self.words(*key) >> np.uint64(11)).astype(np.float64) * _UNIT

    def below(self, limit: int | npt.NDArray[np.int64], *key: int) -> npt.NDArray[np.int64]:
        """Integers from 0 to below the limit (one, or one for each image), int64 [n]."""
        return (self.uniform(*key) * limit).astype(np.int64)

    def bytes(self, count: int, *key: int) -> npt.NDArray[np.uint8]:
        """`count` random bytes for each image, uint8 [n, count]."""
        steps = np.arange(-(-count // 8), dtype=np.uint64) * np.uint64(_STRIDE)
        return _mixed(self.words(*key)[:, None] + steps).view(np.uint8)[:, :count]

    def of(self, chosen: npt.NDArray[np.bool_]) -> CounterRng:
        """The same draws for a selection of the images, mask bool [n]."""
        return CounterRng(self._numbers[chosen].astype(np.int64), *self._key)


def _mixed(words: Words) -> Words:
    words = (words ^ (words >> np.uint64(30))) * np.uint64(_FIRST)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(_SECOND)
    return words ^ (words >> np.uint64(31))


def _mixed_int(word: int) -> int:
    word &= _WORD
    word = (word ^ (word >> 30)) * _FIRST & _WORD
    word = (word ^ (word >> 27)) * _SECOND & _WORD
    return word ^ (word >> 31)
