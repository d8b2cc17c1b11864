"""Which of several statements about a row counts: failed, person, flagged, accepted.

A row that failed has no label, also none of a person. A person's label replaces the model's. A flag
withdraws the model's label, however confident it is. Else the threshold decides.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from operator import gt


class Decision(enum.IntEnum):
    """What a row is displayed as. Of several that hold for a row the largest counts."""

    UNKNOWN = 0  #: the confidence is below the threshold
    ACCEPTED = 1
    FLAGGED = 2
    PERSON = 3
    FAILED = 4


_IF_FLAGGED = bytes([0, *[Decision.FLAGGED] * 255])
_IF_FAILED = bytes([0, *[Decision.FAILED] * 255])


def decide(confident: bytes, flags: bytes, persons: Iterable[int], statuses: bytes) -> bytes:
    """The `Decision` of each row. `confident` has 1 for rows that reach their threshold; `flags`
    and `statuses` have wire codes, `persons` the indices of rows to which people gave a label."""
    decisions = confident
    if any(flags):
        decisions = bytes(map(max, decisions, flags.translate(_IF_FLAGGED)))
    by_person = list(persons)
    if by_person:
        changed = bytearray(decisions)
        for i in by_person:
            changed[i] = Decision.PERSON
        decisions = bytes(changed)
    if any(statuses):
        decisions = bytes(map(max, decisions, statuses.translate(_IF_FAILED)))
    return decisions


def without(confident: bytes, *codes: bytes) -> bytes:
    """1 for the confident rows whose codes are all 0."""
    for some in codes:
        if any(some):
            confident = bytes(map(gt, confident, some))
    return confident
