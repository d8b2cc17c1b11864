"""A person's decision about the label of one picture, keyed by the picture's bytes.

Path and row only inform. `rows` are the rows of the table whose files had these bytes when the
decision was taken: copies share a decision.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple

import msgspec

from shared.errors import MISFITS, BadMessage

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CRC32 = re.compile(r"[0-9a-f]{8}")


class Content(NamedTuple):
    """What a journal knows of a file's content. It proposes copies, and proves nothing."""

    size: int
    digest: bytes  #: CRC-32, little-endian


class Correction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the log."""

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
    #: The rows, counted from 1. Each counts only while the job has this size and CRC-32 of its
    #: file. None, of lines of older versions: every row with this size and CRC-32.
    rows: list[Annotated[int, msgspec.Meta(ge=1)]] | None = None

    @property
    def content(self) -> Content:
        return Content(self.size, bytes.fromhex(self.crc32)[::-1])


class NewerLine(BadMessage):
    """A line that a newer Hangtag has written."""


def encode(correction: Correction) -> bytes:
    """One line, with its end."""
    return msgspec.json.encode(correction) + b"\n"


def decode(line: bytes) -> Correction:
    """The decision of a line.

    Raises:
        NewerLine: it has fields that this version does not know.
        BadMessage: it is not a correction.
    """
    try:
        correction = msgspec.json.decode(line, type=Correction)
    except MISFITS as error:
        if more := _unknown_fields(line):
            raise NewerLine(f"{more[0]!r:.40} is unknown to this version of Hangtag") from error
        raise BadMessage(f"not a correction: {error}") from error
    if not _SHA256.fullmatch(correction.sha256):
        raise BadMessage("not a correction: sha256 is not 64 hexadecimal digits")
    if not _CRC32.fullmatch(correction.crc32):
        raise BadMessage("not a correction: crc32 is not 8 hexadecimal digits")
    if not correction.label and not correction.undo:
        raise BadMessage("not a correction: label is empty")
    return correction


def _unknown_fields(line: bytes) -> list[str]:
    try:
        fields = msgspec.json.decode(line, type=dict[str, Any])
    except MISFITS:
        return []
    return sorted(fields.keys() - Correction.__struct_fields__)


def in_force(corrections: Iterable[Correction]) -> dict[str, Correction]:
    """SHA-256 -> the decision that holds: the last one of a key, unless it was taken back."""
    last = {correction.sha256: correction for correction in corrections}
    return {key: correction for key, correction in last.items() if not correction.undo}
