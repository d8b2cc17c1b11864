"""What lies beside the outcome of a request: the answers of a dataset check to every file, and the
images of a folder as short rows of numbers."""

from __future__ import annotations

import msgspec

from shared.errors import MISFITS, BadMessage
from shared.messages.files import Stamp

ROWS_FILE = "rows.msgpack"
FEATURES_FILE = "features.msgpack"
SHA256_BYTES = 32


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


class FolderFeatures(msgspec.Struct, frozen=True):
    """The readable images below a folder, in path order. Columns are little-endian."""

    root: bytes  #: absolute; paths are below it
    paths: list[bytes]  #: absolute
    digests: bytes  #: SHA-256 of each file
    width: int  #: numbers of each image
    rows: bytes  #: float16 [n, width], the first column varies most
    stacks: bytes  #: uint32 [n], the number of the group of near-duplicates, counted from 0
    unreadable: list[bytes]  #: paths
    statuses: bytes  #: the code of each unreadable file (shared/image_status.py)

    def __len__(self) -> int:
        return len(self.paths)


def encode_features(features: FolderFeatures) -> bytes:
    """MessagePack."""
    return msgspec.msgpack.encode(features)


def decode_features(data: bytes) -> FolderFeatures:
    """The inverse of `encode_features`. Raises BadMessage."""
    try:
        features = msgspec.msgpack.decode(data, type=FolderFeatures)
    except MISFITS as error:
        raise BadMessage(f"the features of a folder cannot be read ({error})") from error
    count = len(features)
    wanted = (SHA256_BYTES * count, 2 * features.width * count, 4 * count)
    if tuple(map(len, (features.digests, features.rows, features.stacks))) != wanted:
        raise BadMessage("the features of a folder are not complete")
    return features
