"""Which of several statements about a row counts: failed, person, flagged, accepted.

A row that failed has no label, also none of a person. A person's label replaces the model's. A flag
withdraws the model's label, however confident it is. A model's label that a person has excluded is
unknown. Else the threshold decides.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable

_NOT_ZERO = re.compile(rb"[^\0]")


class Decision(enum.IntEnum):
    """What a row is displayed as."""

    UNKNOWN = 0  #: the confidence is below the threshold, or a person has excluded the label
    ACCEPTED = 1
    FLAGGED = 2
    PERSON = 3
    FAILED = 4


def decide(confident: bytes, flags: bytes, labelled: Iterable[int], statuses: bytes) -> bytes:
    """The `Decision` of each row. `confident` has 1 for rows that reach their threshold; `flags`
    and `statuses` have wire codes, `labelled` the indices of rows to which people gave a label."""
    decisions = bytearray(confident)
    for i in marked(flags):
        decisions[i] = Decision.FLAGGED
    for i in labelled:
        decisions[i] = Decision.PERSON
    for i in marked(statuses):
        decisions[i] = Decision.FAILED
    return bytes(decisions)


def without(values: bytes, *codes: bytes) -> bytes:
    """`values`, with 0 for the rows of which any code is not 0."""
    remaining = bytearray(values)
    for some in codes:
        for i in marked(some):
            remaining[i] = 0
    return bytes(remaining)


def marked(codes: bytes) -> list[int]:
    """The indices of codes that are not 0, usually few."""
    return [match.start() for match in _NOT_ZERO.finditer(codes)]
