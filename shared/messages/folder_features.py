"""The images of a folder as short rows of numbers: they lie beside the outcome of a request."""

from __future__ import annotations

import msgspec

from shared.errors import MISFITS, BadMessage

FILE = "features.msgpack"
SHA256_BYTES = 32


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
