"""The results of a repeat, put in the place of the failed rows that it repeats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from struct import Struct

import msgspec

from shared.contract import BatchResult

#: Whose row an image of a repeat is: the number of the batch, and the index in it.
Place = tuple[int, int]
_PLACE = Struct("<II")


def pack(places: Sequence[Place]) -> bytes | None:
    """Places for the journal; None for those of a batch, which are its own."""
    return b"".join(_PLACE.pack(*place) for place in places) or None


def unpack(places: bytes) -> list[Place]:
    """What `pack` made."""
    return [(n, index) for n, index in _PLACE.iter_unpack(places)]


def groups(places: Sequence[Place]) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Batch by batch: (index in the repeat, index in the batch) of its images."""
    for n, images in groupby(enumerate(places), key=lambda image: image[1][0]):
        yield n, [(source, place[1]) for source, place in images]


def fold(old: BatchResult, new: BatchResult, images: Sequence[tuple[int, int]]) -> BatchResult:
    """`old` with the answers of `new` at (index in `new`, index in `old`); both have the same k."""
    flags = old.flags or bytes(len(old.statuses))
    new_flags = new.flags or bytes(len(new.statuses))
    folded = BatchResult(
        old.k,
        replaced(old.statuses, new.statuses, images, 1),
        replaced(old.indices, new.indices, images, 2 * old.k),
        replaced(old.probabilities, new.probabilities, images, 4 * old.k),
        replaced(flags, new_flags, images, 1),
    )
    # Without a flag there are none: so the bytes are those of a result that came at once.
    return folded if any(folded.flags) else msgspec.structs.replace(folded, flags=b"")


def replaced(old: bytes, new: bytes, images: Sequence[tuple[int, int]], width: int) -> bytes:
    """`old` with the cells of `new`, `width` bytes each, at (index in `new`, index in `old`)."""
    cells = bytearray(old)
    for source, target in images:
        cells[target * width : (target + 1) * width] = new[source * width : (source + 1) * width]
    return bytes(cells)
