"""What crosses the wire, as frozen structs, and one error for whatever does not fit.

A message is `(job, batch)`. The images of a batch travel beside it as one blob:

    count: u32 | word: u32 x count | bytes of the images, one after the other

A word is the image's length in bytes; with the top bit set it is a status code instead, for a
file that could not be read (and has no bytes); with the bit below it set, it is the length of a
reference to a file (shared/messages/files.py), which stands in the place of the bytes. All numbers
are
little-endian. A worker that does not know references refuses the blob, and gets the bytes.
"""

from __future__ import annotations

import secrets
import struct
import sys
from array import array
from collections.abc import Sequence

import msgspec

from shared.errors import MISFITS, BadMessage
from shared.image_status import BY_CODE, FLAGS, Status
from shared.messages.files import DIGEST_BYTES, Reference, unpack

_ID_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # none that is taken for another
_ID_LENGTH = 8
#: A batch has no more images, whatever HANGTAG_BATCH_IMAGES says: so a result has a limit.
MAX_BATCH_IMAGES = 1 << 16
#: A larger file is a row `too_large`: it would not fit beside its neighbours in Redis.
MAX_FILE_BYTES = 64 << 20
_FAILED = 1 << 31
_REFERS = 1 << 30
_LENGTH = _REFERS - 1


def new_id() -> str:
    """Of a job or a request: short enough to be typed."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))


class BatchResult(msgspec.Struct, frozen=True, array_like=True):
    """The answers to one batch of n images, k pairs each.

    statuses: n wire codes. indices: uint16[n, k] label indices, most probable first.
    probabilities: float32[n, k]. flags: n wire codes, or nothing where no image has a flag.
    CRC-32 of the files' bytes, where the worker has read them (shared/messages/files.py).
    Rows of images that are not `ok` hold zeros. Little-endian.
    """

    k: int
    statuses: bytes
    indices: bytes
    probabilities: bytes
    flags: bytes = b""
    digests: bytes = b""

    def check(self, count: int) -> BatchResult:
        """This result, if it has the form of `count` answers.

        Raises:
            BadMessage: it does not.
        """
        good = (
            len(self.statuses) == count
            and self.k >= 1
            and len(self.indices) == 2 * count * self.k
            and len(self.probabilities) == 4 * count * self.k
            and all(code < len(BY_CODE) for code in set(self.statuses))
            and len(self.flags) in (0, count)
            and all(code < len(FLAGS) for code in set(self.flags))
            and len(self.digests) in (0, DIGEST_BYTES * count)
        )
        if not good:
            raise BadMessage(f"a result does not have the form of {count} answers")
        return self

    def check_labels(self, k: int, labels: int) -> BatchResult:
        """This result, if it names `k` of so many labels for each image.

        Raises:
            BadMessage: it does not; written into a table it would end the producer.
        """
        indices = array("H", self.indices)
        if sys.byteorder == "big":
            indices.byteswap()
        if self.k != k or max(indices, default=0) >= labels:
            raise BadMessage(f"a result does not name {k} of {labels} labels")
        return self


def encode_result(result: BatchResult) -> bytes:
    """MessagePack."""
    return msgspec.msgpack.encode(result)


def decode_result(data: bytes, count: int) -> BatchResult:
    """The result in `data`, for a batch of `count` images. Raises BadMessage."""
    try:
        return msgspec.msgpack.decode(data, type=BatchResult).check(count)
    except MISFITS as error:
        raise BadMessage(f"not a batch result: {error}") from error


def max_result_bytes(k: int) -> int:
    """The size of the largest result with `k` labels for each image."""
    headers = 64  # of MessagePack: one for each field
    return headers + MAX_BATCH_IMAGES * (1 + 2 * k + 4 * k + 1 + DIGEST_BYTES)


def encode_images(images: Sequence[bytes | Reference | Status]) -> bytes:
    """One blob of the encoded files, of references to them, or of the reasons for neither."""
    words = array("I", (len(i) if isinstance(i, bytes) else _word(i) for i in images))
    if sys.byteorder == "big":
        words.byteswap()
    parts = [struct.pack("<I", len(images)), words.tobytes()]
    parts.extend(
        i if isinstance(i, bytes) else i.pack() for i in images if not isinstance(i, Status)
    )
    return b"".join(parts)


def _word(image: Reference | Status) -> int:
    if isinstance(image, Status):
        return _FAILED | image.code
    return _REFERS | len(image.pack())


def decode_payload(blob: bytes) -> list[bytes | Reference | Status]:
    """What `encode_images` packed. Raises BadMessage."""
    try:
        (count,) = struct.unpack_from("<I", blob)
        words = struct.unpack_from(f"<{count}I", blob, 4)
    except struct.error as error:
        raise BadMessage("an image blob is cut short") from error
    images: list[bytes | Reference | Status] = []
    start = 4 + 4 * count
    for word in words:
        if word & _FAILED:
            images.append(_status(word ^ _FAILED))
            continue
        end = start + (word & _LENGTH)
        data = blob[start:end]
        images.append(data if word <= _LENGTH else unpack(data, MAX_FILE_BYTES))
        start = end
    if start != len(blob):
        raise BadMessage("an image blob does not have the length that it announces")
    return images


def decode_images(blob: bytes) -> list[bytes | Status]:
    """What `encode_images` packed, without references. Raises BadMessage."""
    images = decode_payload(blob)
    whole = [image for image in images if not isinstance(image, Reference)]
    if len(whole) != len(images):
        raise BadMessage("an image blob refers to files where their bytes were due")
    return whole


def _status(code: int) -> Status:
    if not 0 < code < len(BY_CODE):
        raise BadMessage(f"an image blob has the unknown status {code}")
    return BY_CODE[code]
