"""Aligns two streams that should be equal, in constant memory. They need no order, unlike those of
a merge: rows of a damaged table may have any."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TypeVar

E = TypeVar("E")
F = TypeVar("F")
#: A longer run of entries in only one stream is reported as unmatched entries of both; the streams
#: differ either way.
AHEAD = 2_048


def align(
    expected: Iterator[E],
    actual: Iterator[F],
    key: Callable[[E], object],
    key_found: Callable[[F], object],
) -> Iterator[tuple[E | None, F | None]]:
    """Pairs with equal keys, in order; None for the stream that lacks an entry."""
    left: deque[E] = deque(islice(expected, AHEAD))
    right: deque[F] = deque(islice(actual, AHEAD))
    while left and right:
        if key(left[0]) == key_found(right[0]):
            yield left.popleft(), right.popleft()
        else:
            more = _position(right, key_found, key(left[0]))
            less = _position(left, key, key_found(right[0]))
            if more and (not less or more <= less):
                yield from ((None, right.popleft()) for _ in range(more))
            elif less:
                yield from ((left.popleft(), None) for _ in range(less))
            else:
                yield left.popleft(), None
                yield None, right.popleft()
        left.extend(islice(expected, AHEAD - len(left)))
        right.extend(islice(actual, AHEAD - len(right)))
    for entry in left:
        yield entry, None
    yield from ((entry, None) for entry in expected)
    for other in right:
        yield None, other
    yield from ((None, other) for other in actual)


def _position(queue: deque[F], key: Callable[[F], object], wanted: object) -> int:
    """The index of `wanted`; 0 if it is not after the first entry."""
    return next((i for i, entry in enumerate(queue) if i and key(entry) == wanted), 0)
