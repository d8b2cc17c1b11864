"""A person's decision about the label of one picture, keyed by the picture's bytes.

Path and row only inform: copies share a decision, and a moved file keeps it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

import msgspec

from shared.errors import MISFITS, BadMessage

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CRC32 = re.compile(r"[0-9a-f]{8}")


class Correction(msgspec.Struct, frozen=True):
    """One line of the log.

    Fields of later versions are ignored, so that an older one reads their logs.
    """

    sha256: str  #: of the file, in hexadecimal: the key
    path: str  #: as the table has it
    row: int  #: in the table, counted from 1
    guess: str  #: the model's label; empty if the row has none
    label: str
    by: str  #: user name
    size: Annotated[int, msgspec.Meta(ge=0)]  #: of the file, in bytes
    crc32: str  #: of the file, in hexadecimal
    at: str  #: ISO 8601, UTC
    undo: bool = False  #: takes the last decision with this key back


def encode(correction: Correction) -> bytes:
    """One line, with its end."""
    return msgspec.json.encode(correction) + b"\n"


def decode(line: bytes) -> Correction:
    """The decision of a line.

    Raises:
        BadMessage: it is not a correction.
    """
    try:
        found = msgspec.json.decode(line, type=Correction)
    except MISFITS as error:
        raise BadMessage(f"not a correction: {error}") from error
    if not _SHA256.fullmatch(found.sha256):
        raise BadMessage("not a correction: sha256 is not 64 hexadecimal digits")
    if not _CRC32.fullmatch(found.crc32):
        raise BadMessage("not a correction: crc32 is not 8 hexadecimal digits")
    if not found.label and not found.undo:
        raise BadMessage("not a correction: label is empty")
    return found


def in_force(corrections: Iterable[Correction]) -> dict[str, Correction]:
    """SHA-256 -> the decision that holds: the last one of a key, unless it was taken back."""
    last = {correction.sha256: correction for correction in corrections}
    return {key: correction for key, correction in last.items() if not correction.undo}
