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
from shared.labels.line_log import NewerLine

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
    undo: bool = False  #: takes the label of the last decision with this key back
    #: The rows, counted from 1. Each counts only while the job has this size and CRC-32 of its
    #: file. None, of lines of older versions: every row with this size and CRC-32.
    rows: list[Annotated[int, msgspec.Meta(ge=1)]] | None = None
    #: Labels that the picture does not have, unless `label` is one of them. With an empty `label`
    #: nothing else is decided.
    excluded: tuple[str, ...] = ()

    def excludes(self, label: str) -> bool:
        """Whether the picture does not have a label, as a person has said."""
        return label in self.excluded and label != self.label

    @property
    def content(self) -> Content:
        return Content(self.size, bytes.fromhex(self.crc32)[::-1])


def encode(correction: Correction) -> bytes:
    """One line, with its end."""
    fields = msgspec.to_builtins(correction)
    if not correction.excluded:
        del fields["excluded"]  # older readers refuse it
    return msgspec.json.encode(fields) + b"\n"


def decode(line: bytes) -> Correction:
    """The decision of a line.

    Raises:
        NewerLine: it has fields that this version does not know.
        BadMessage: it is not a correction.
    """
    try:
        correction = msgspec.json.decode(line, type=Correction)
    except MISFITS as error:
        if more := unknown_fields(line, Correction):
            raise NewerLine(f"{more[0]!r:.40} is unknown to this version of Hangtag") from error
        raise BadMessage(f"not a correction: {error}") from error
    if why := wrong_identity(correction.sha256, correction.crc32):
        raise BadMessage(f"not a correction: {why}")
    if not (correction.label or correction.undo or correction.excluded):
        raise BadMessage("not a correction: label is empty")
    return correction


def wrong_identity(sha256: str, crc32: str) -> str:
    """What is wrong with the digits that identify a file; empty if nothing is."""
    if not _SHA256.fullmatch(sha256):
        return "sha256 is not 64 hexadecimal digits"
    return "" if _CRC32.fullmatch(crc32) else "crc32 is not 8 hexadecimal digits"


def unknown_fields(line: bytes, *known: type[msgspec.Struct]) -> list[str]:
    """The fields of a line that none of these forms has."""
    try:
        fields = msgspec.json.decode(line, type=dict[str, Any])
    except MISFITS:
        return []
    return sorted(fields.keys() - {name for form in known for name in form.__struct_fields__})


def in_force(corrections: Iterable[Correction]) -> dict[str, Correction]:
    """SHA-256 -> the decision that holds: the last one of a key, unless it was taken back."""
    last = {correction.sha256: correction for correction in corrections}
    return {key: correction for key, correction in last.items() if not correction.undo}
