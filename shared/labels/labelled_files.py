"""Corrections as a trainer gets them with its request: the label of each file, and its path.

A file is found by its content. The path counts only if no class folder has the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated

import msgspec

from shared.errors import MISFITS, BadMessage
from shared.labels.correction import Content

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class LabelledFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One file and the label that a person gave it; empty if that was taken back."""

    sha256: Sha256
    size: Annotated[int, msgspec.Meta(ge=0)]
    label: str
    path: bytes  #: absolute; empty if it was not found
    #: As in the line of the decision; empty of what an older Hangtag submitted.
    crc32: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{8})?$")] = ""
    by: str = ""
    at: str = ""
    by_chance: bool = False  #: chance drew the image for the person; see given_label.py
    excluded: tuple[str, ...] = ()  #: labels that it does not have, as a person has said
    left_out: bool = False  #: no label is right of it, as a person has said

    @property
    def content(self) -> Content:
        """Only if `crc32` is known."""
        return Content(self.size, bytes.fromhex(self.crc32)[::-1])


def encode_files(files: Sequence[LabelledFile]) -> bytes:
    """The input of a request. Equal corrections have equal bytes."""
    return msgspec.json.encode(sorted(files, key=lambda file: file.sha256))


def input_sha256(data: bytes | None) -> str:
    """What a request says of its input: hexadecimal digits, or nothing without an input."""
    return "" if data is None else hashlib.sha256(data).hexdigest()


def decode_files(data: bytes | None, sha256: str) -> list[LabelledFile]:
    """The files of an input; none if the request has no corrections (an empty `sha256`).

    Raises:
        BadMessage: the input is not the one that was submitted.
    """
    if not sha256:
        return []
    if input_sha256(data) != sha256:
        raise BadMessage("the corrections are not those that were submitted; submit them again")
    try:
        return msgspec.json.decode(data or b"", type=list[LabelledFile])
    except MISFITS as error:
        raise BadMessage(f"the corrections cannot be read ({error})") from error
