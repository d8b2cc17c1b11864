"""The status and the flag of one image: stable codes in the table, one byte each on the wire."""

from __future__ import annotations

import enum
from collections.abc import Mapping


class Status(enum.StrEnum):
    """The result of one image: its name, and the fixed text of the table's `error` column. The
    order is the wire code: append only."""

    sentence: str

    OK = "ok", ""
    UNREADABLE = "unreadable", "The file is empty, damaged or not readable."
    # HEIC is decoded, too: the text is that of tables of 0.2.0, whose bytes stay.
    UNSUPPORTED = "unsupported", "The file is not a JPEG, PNG, WebP, AVIF, BMP, GIF or TIFF image."
    TOO_LARGE = "too_large", "The file has more bytes or pixels than Hangtag accepts."
    MISSING = "missing", "The file no longer existed when it was read."
    CHANGED = "changed", "The file changed while the job ran."
    CRASHED = "crashed", "Decoding the image crashed the worker process twice."
    NO_ANSWER = (
        "no_answer",
        "The network failed on the image, or its outputs are no finite numbers.",
    )

    def __new__(cls, name: str, sentence: str = "") -> Status:
        status = str.__new__(cls, name)
        status._value_, status.sentence = name, sentence
        return status

    @property
    def code(self) -> int:
        """The wire code, 0 to 255."""
        return _STATUS_CODES[self]


BY_CODE = tuple(Status)
_STATUS_CODES = {status: code for code, status in enumerate(BY_CODE)}


class Flag(enum.StrEnum):
    """A warning about an image that has a label nevertheless: the table's column `flag`.

    The order is the wire code: append only.
    """

    NONE = ""
    UNLIKE_TRAINING = "unlike_training"  #: unlike nearly all training images
    BUSY_BACKGROUND = "busy_background"  #: the garment could not be separated from its background

    @property
    def code(self) -> int:
        """The wire code, 0 to 255."""
        return _FLAG_CODES[self]


FLAGS = tuple(Flag)
_FLAG_CODES = {flag: code for code, flag in enumerate(FLAGS)}

Flagged = Mapping[str, int]  #: number of images by flag; flags without images are left out


def count_flags(codes: bytes) -> dict[str, int]:
    """Number of these wire codes by flag; flags without one are left out."""
    return {
        str(flag): count for flag in FLAGS[1:] if codes and (count := codes.count(flag.code)) > 0
    }


def add_flags(one: Flagged, other: Flagged) -> dict[str, int]:
    """The sum of both counts."""
    names = (str(flag) for flag in FLAGS[1:])
    return {name: sum_ for name in names if (sum_ := one.get(name, 0) + other.get(name, 0))}
