"""A line of a labels file: what a person decided about an image, keyed by the image's bytes.

The same form lies beside a folder that is labelled, beside a table that is reviewed, in a version
that has learned from it, and in a request to the trainer.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from shared.errors import MISFITS, BadMessage

#: `left-out`: no label is right of the image. `cannot-tell`: a person saw it and does not know.
#: `not-this`: it has another label than the one that the line names.
ImageKind = Literal["label", "left-out", "cannot-tell", "not-this"]
#: The last two are about no image: all images that have one label so far get another one, and
#: whether the name of a class folder is a label.
Kind = Literal["label", "left-out", "cannot-tell", "not-this", "rename", "folder"]
#: The kinds whose lines name a label.
OF_A_LABEL = ("label", "not-this")
_OF_NO_IMAGE = ("rename", "folder")
#: `taken_from` of a line that takes the label of a class folder back since folders are left out. A
#: line of the page that does so has the folder.
NO_FOLDERS = "/"
#: In a line without a known CRC-32: one that takes a decision back.
NO_CRC32 = "00000000"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CRC32 = re.compile(r"[0-9a-f]{8}")


class NewerLine(BadMessage):
    """A line that a newer Hangtag has written."""


class Content(NamedTuple):
    """What a journal knows of a file's content. It proposes copies, and proves nothing."""

    size: int
    digest: bytes  #: CRC-32, little-endian


class LabelLine(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True
):
    """One decision."""

    sha256: str = ""  #: of the file, in hexadecimal: the key
    size: Annotated[int, msgspec.Meta(ge=0)] = 0  #: of the file, in bytes
    crc32: str = ""  #: of the file, in hexadecimal
    path: str = ""  #: as a table or the typed folder has it, or a `place`; it only informs
    #: Rows of the table with these bytes, counted from 1; they only inform, too.
    rows: tuple[Annotated[int, msgspec.Meta(ge=1)], ...] = ()
    kind: Kind
    #: Of `not-this` the one that the image does not have, of `rename` the new one, of `folder` its
    #: name if that is a label.
    label: str = ""
    guess: str = ""  #: the model's label of the row
    #: The image was drawn by chance, so that figures may be measured on it. All others were shown
    #: since they are alike, or in doubt.
    by_chance: bool = False
    #: Where the label was found: a class folder, with a slash at its end, or a table; or
    #: NO_FOLDERS. Empty: a person gave it. Of `rename` the label so far, of `folder` the folder.
    taken_from: str = ""
    by: str = ""  #: user name
    at: str = ""  #: ISO 8601, UTC
    undo: bool = False  #: takes the last line of this kind back: about the image, or these names

    @property
    def content(self) -> Content:
        return Content(self.size, bytes.fromhex(self.crc32)[::-1])

    @property
    def place(self) -> bytes:
        """The absolute path of the file in a line for a trainer; empty if it has none."""
        try:
            path = self.path.encode().decode("unicode_escape")
            return path.encode(errors="surrogateescape") if path.startswith("/") else b""
        except UnicodeError:
            return b""


def placed(line: LabelLine, path: bytes) -> LabelLine:
    """A line for a trainer, with this `place`."""
    text = path.decode(errors="surrogateescape").encode("unicode_escape").decode()
    return msgspec.structs.replace(line, path=text, rows=())


def is_of_folder(taken_from: str) -> bool:
    """Whether a label was taken from the name of a class folder; also one that was taken back."""
    return taken_from.endswith("/")


def encode(line: LabelLine) -> bytes:
    """One line, with its end."""
    return msgspec.json.encode(line) + b"\n"


def decode(text: bytes) -> LabelLine:
    """The decision of a line.

    Raises:
        NewerLine: it has fields or a kind that this version does not know.
        BadMessage: it is no decision.
    """
    try:
        line = msgspec.json.decode(text, type=LabelLine)
    except MISFITS as error:
        line = _of_0_2_0(text, error)
    if why := _problem(line):
        raise BadMessage(f"not a decision: {why}")
    return line


def _problem(line: LabelLine) -> str:
    if line.kind in _OF_NO_IMAGE:
        return "" if line.taken_from else "taken_from is empty"
    if not _SHA256.fullmatch(line.sha256):
        return "sha256 is not 64 hexadecimal digits"
    if not _CRC32.fullmatch(line.crc32):
        return "crc32 is not 8 hexadecimal digits"
    if bool(line.label) != (line.kind in OF_A_LABEL) and not line.undo:
        return "label and kind do not agree"
    return ""


def _of_0_2_0(text: bytes, error: Exception) -> LabelLine:
    """A line with fields of 0.2.0: the row of a decision in a table, the label that is renamed.
    Raises as `decode`."""
    try:
        fields = msgspec.json.decode(text, type=dict[str, Any])
    except MISFITS:
        raise BadMessage(f"not a decision: {error}") from error
    fields.pop("row", None)
    fields.setdefault("kind", "label")
    if "rename" in fields:
        fields |= {"kind": "rename", "taken_from": fields.pop("rename")}
    if more := sorted(fields.keys() - set(LabelLine.__struct_fields__)):
        raise NewerLine(f"{more[0]!r:.40} is unknown to this version of Hangtag") from error
    try:
        return msgspec.convert(fields, LabelLine)
    except msgspec.ValidationError as still:
        raise BadMessage(f"not a decision: {still}") from still
