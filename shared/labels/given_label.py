"""The lines of a labels file: what a person decided about unsorted images.

A line about an image has the form of a correction, without a row and a guess. A rename is a line,
too; where the new name is that of another label, both become one. So is what a person says of the
name of a class folder.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from shared.errors import MISFITS, BadMessage
from shared.labels.class_folders import problem
from shared.labels.correction import unknown_fields, wrong_identity
from shared.labels.line_log import NewerLine

#: What was decided about an image. `left-out`: nothing is learned from it. `cannot-tell`: a person
#: saw it and does not know. `not-this`: it has another label than the one that the line names.
Kind = Literal["label", "left-out", "cannot-tell", "not-this"]
#: The kinds whose lines name a label.
OF_A_LABEL = ("label", "not-this")

#: `taken_from` of a line that takes the label of a class folder back since folders are left out. A
#: line of the page that does so has the folder.
NO_FOLDERS = "/"


class GivenLabel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A decision about one image."""

    sha256: str  #: of the file, in hexadecimal: the key
    path: str  #: as the folder was typed, with what is below it; it only informs
    label: str  #: of `not-this` the one that the image does not have; empty if none is named
    by: str  #: user name
    size: Annotated[int, msgspec.Meta(ge=0)]  #: of the file, in bytes
    crc32: str  #: of the file, in hexadecimal
    at: str  #: ISO 8601, UTC
    undo: bool = False  #: takes the last decision with this key back
    kind: Kind = "label"
    #: The image was drawn by chance, so that figures may be measured on it. All others were shown
    #: since they are alike, or in doubt.
    by_chance: bool = False
    #: Where the label was found: a class folder, with a slash at its end, or a table with
    #: corrections; or NO_FOLDERS. Empty: it was given on the page, or by a program.
    taken_from: str = ""


class RenamedLabel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All images that have one label so far get another one."""

    rename: str  #: the label so far
    label: str
    by: str
    at: str
    undo: bool = False  #: takes the last rename of these two names back


class FolderName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the name of a class folder is a label, as a person says who has seen images of it."""

    folder: str  #: with a slash at its end, as in `taken_from`
    is_label: bool
    by: str
    at: str
    undo: bool = False  #: nothing is said of the folder any more


LabelLine: TypeAlias = GivenLabel | RenamedLabel | FolderName


def is_of_folder(taken_from: str) -> bool:
    """Whether a label was taken from the name of a class folder; also one that was taken back."""
    return taken_from.endswith("/")


#: The forms of lines that are about no image, by a key that no other line has.
_OTHER_FORMS: dict[bytes, type[RenamedLabel | FolderName]] = {
    b'"rename":': RenamedLabel,
    b'"folder":': FolderName,
}


def encode(line: LabelLine) -> bytes:
    """One line, with its end."""
    fields = msgspec.to_builtins(line)
    if not fields.get("taken_from"):
        fields.pop("taken_from", None)  # older readers refuse it
    return msgspec.json.encode(fields) + b"\n"


def decode(line: bytes) -> LabelLine:
    """The decision of a line.

    Raises:
        NewerLine: it has fields or a kind that this version does not know.
        BadMessage: it is no line of a labels file.
    """
    others = (form for key, form in _OTHER_FORMS.items() if key in line)
    form: type[LabelLine] = next(others, GivenLabel)
    try:
        decision = msgspec.json.decode(line, type=form)
    except MISFITS as error:
        if more := unknown_fields(line, GivenLabel, *_OTHER_FORMS.values()):
            raise NewerLine(f"{more[0]!r:.40} is unknown to this version of Hangtag") from error
        raise BadMessage(f"not a label: {error}") from error
    if not isinstance(decision, GivenLabel):
        return decision
    if why := wrong_identity(decision.sha256, decision.crc32):
        raise BadMessage(f"not a label: {why}")
    if bool(decision.label) != (decision.kind in OF_A_LABEL):
        raise BadMessage("not a label: label and kind do not agree")
    return decision


def check(line: LabelLine) -> None:
    """Raises BadMessage if the label cannot name a class folder."""
    if isinstance(line, FolderName):
        return
    if line.label and not line.undo and (why := problem(line.label)):
        raise BadMessage(f"the label {line.label!r:.80} {why}")
