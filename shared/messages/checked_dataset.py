"""The answers of a dataset check to every file: they lie beside the outcome of its request."""

from __future__ import annotations

import msgspec

from shared.errors import MISFITS, BadMessage
from shared.messages.files import Stamp

FILE = "rows.msgpack"


class CheckedRows(msgspec.Struct, frozen=True):
    """Every file below a folder, in path order.

    Columns are little-endian, as in `BatchResult`: labels out of fold, most probable first. Rows of
    unreadable files hold zeros.
    """

    root: bytes  #: absolute; paths are below it
    card: bytes  #: of a version that was not published, as JSON
    k: int  #: labels of each row
    paths: list[bytes]
    stamps: list[Stamp]
    digests: bytes  #: CRC-32 of each file
    statuses: bytes
    flags: bytes
    indices: bytes
    probabilities: bytes
    #: By row: its label by its folder or a correction, and that label's probability.
    labels: list[int]
    given: list[float]
    wrong: list[float]  #: by row: how probable it is that its label is wrong
    in_test: bytes  #: 1 for rows of the folder's test part
    like: list[int]  #: by row: an earlier row that is a copy or a near-duplicate; -1: none


def encode_rows(rows: CheckedRows) -> bytes:
    """MessagePack."""
    return msgspec.msgpack.encode(rows)


def decode_rows(data: bytes) -> CheckedRows:
    """The inverse of `encode_rows`. Raises BadMessage."""
    try:
        return msgspec.msgpack.decode(data, type=CheckedRows)
    except MISFITS as error:
        raise BadMessage(f"the rows of a dataset check cannot be read ({error})") from error
