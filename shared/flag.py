"""What is odd about one picture that has its label all the same: one byte on the wire."""

from __future__ import annotations

import enum
from collections.abc import Mapping


class Flag(enum.StrEnum):
    """What the table's column `flag` says. The order is the wire code: append only."""

    NONE = ""
    UNLIKE_TRAINING = "unlike_training"  #: outside of what nearly all training images keep to
    BUSY_BACKGROUND = "busy_background"  #: the garment could not be told from its ground

    @property
    def code(self) -> int:
        """The wire code, 0 to 255."""
        return _CODES[self]


FLAGS = tuple(Flag)
_CODES = {flag: code for code, flag in enumerate(FLAGS)}

Flagged = Mapping[str, int]  #: how many pictures have each flag; those that none has are left out


def count_flags(codes: bytes) -> dict[str, int]:
    """How many of these wire codes stand for each flag."""
    return {
        str(flag): found for flag in FLAGS[1:] if codes and (found := codes.count(flag.code)) > 0
    }


def add_flags(one: Flagged, other: Flagged) -> dict[str, int]:
    """Both counts together."""
    names = (str(flag) for flag in FLAGS[1:])
    return {name: sum_ for name in names if (sum_ := one.get(name, 0) + other.get(name, 0))}
