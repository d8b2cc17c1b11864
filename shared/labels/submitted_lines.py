"""Lines as one block of bytes: the input of a request to the trainer, and the record of a version.

A block has no renames, and at most one line of an image and a name that it does not have, so equal
decisions have equal bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from shared.errors import BadMessage
from shared.labels import label_line, numbered_line
from shared.labels.label_line import LabelLine
from shared.labels.labels_so_far import LabelsSoFar


def encode_lines(lines: Iterable[LabelLine]) -> bytes:
    """Numbered lines, ordered by their images."""
    ordered = sorted(lines, key=lambda line: line.sha256)
    numbered = (
        numbered_line.numbered(label_line.encode(line), number)
        for number, line in enumerate(ordered, 1)
    )
    return b"".join(numbered)


def decode_lines(data: bytes) -> list[LabelLine]:
    """The lines of a block. Raises BadMessage: one is damaged or of a newer version."""
    lines = list[LabelLine]()
    for number, text in enumerate(data.splitlines(), 1):
        content, own = numbered_line.opened(text)
        if own != number:
            raise BadMessage(f"line {number:,} is missing, or has no number")
        lines.append(label_line.decode(content))
    return lines


def input_sha256(data: bytes | None) -> str:
    """What a request says of its input: hexadecimal digits, or nothing without an input."""
    return "" if data is None else hashlib.sha256(data).hexdigest()


def decode_input(data: bytes | None, sha256: str) -> list[LabelLine]:
    """The lines of an input; none if the request has no corrections (an empty `sha256`).

    Raises:
        BadMessage: the input is not the one that was submitted.
    """
    if not sha256:
        return []
    if input_sha256(data) != sha256:
        raise BadMessage("the corrections are not those that were submitted; submit them again")
    try:
        return decode_lines(data or b"")
    except BadMessage as error:
        raise BadMessage(f"the corrections cannot be read ({error}); submit them again") from error


def labelled(lines: Iterable[LabelLine]) -> list[LabelLine]:
    """The lines of the images that have a label, after all of these lines."""
    return LabelsSoFar(lines).labelled()
