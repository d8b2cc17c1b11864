"""What crosses the wire, as frozen structs, and one error for whatever does not fit.

A message is `(job, batch)`. The images of a batch travel beside it as one blob:

    count: u32 | word: u32 x count | bytes of the images, one after the other

A word is the image's length in bytes; with the top bit set it is a status code instead, for a
file that could not be read (and has no bytes); with the bit below it set, it is the length of a
reference to a file (shared/reference.py), which stands in the place of the bytes. All numbers are
little-endian. A worker that does not know references refuses the blob, and gets the bytes.
"""

from __future__ import annotations

import re
import secrets
import struct
import sys
from array import array
from collections.abc import Sequence

import msgspec

from shared.card import NAME
from shared.digest import DIGEST_BYTES
from shared.errors import MISFITS, BadMessage
from shared.reference import Reference, unpack
from shared.status import BY_CODE, FLAGS, Status

JOB_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{8}")
_ID_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # none that is taken for another
_ID_LENGTH = 8
RUNTIMES = ("litert", "tensorflow")
MAX_BATCHES = 1 << 31
#: A batch has no more images, whatever HANGTAG_BATCH_IMAGES says: so a result has a limit.
MAX_BATCH_IMAGES = 1 << 16
#: A larger file is a row `too_large`: it would not fit beside its neighbours in Redis.
MAX_FILE_BYTES = 64 << 20
_FAILED = 1 << 31
_REFERS = 1 << 30
_LENGTH = _REFERS - 1
_SHA256 = re.compile(r"[0-9a-f]{64}")


def new_id() -> str:
    """Of a job or a request: short enough to be typed."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))


def check_hint(job: object, batch: object) -> None:
    """Raises BadMessage for a hint that is not `(job id, batch number)`."""
    good = isinstance(job, str) and JOB_ID.fullmatch(job) is not None
    if not good or type(batch) is not int or not 0 <= batch < MAX_BATCHES:
        raise BadMessage(f"not a hint: ({job!r:.40}, {batch!r:.40})")


class JobRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a worker must know of a job. A job is pinned to a version when it is submitted."""

    id: str
    name: str
    version: int
    card_sha256: str  #: the card names the sha256 of every other file
    runtime: str
    top_k: int  #: how many (label, probability) pairs each image gets
    output: str  #: shown by `status`, never opened by anyone but the producer
    host: str
    created: float  #: seconds since 1970

    def check(self) -> JobRecord:
        """This record, if every field is in range.

        Raises:
            BadMessage: a field is not.
        """
        good = (
            JOB_ID.fullmatch(self.id)
            and NAME.fullmatch(self.name)
            and 0 <= self.version < 1 << 31
            and _SHA256.fullmatch(self.card_sha256)
            and self.runtime in RUNTIMES
            and 1 <= self.top_k <= 65_535
        )
        if not good:
            raise BadMessage(f"job record {self.id!r:.40} has a field out of range")
        return self


class BatchResult(msgspec.Struct, frozen=True, array_like=True):
    """The answers to one batch of n images, k pairs each.

    statuses: n wire codes. indices: uint16[n, k] label indices, most probable first.
    probabilities: float32[n, k]. flags: n wire codes, or nothing where no image has a flag.
    digests: n CRC-32 of the files' bytes, where the worker has read them (shared/digest.py).
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


def encode_job(record: JobRecord) -> bytes:
    """JSON, so that a person can read it in Redis."""
    return msgspec.json.encode(record)


def decode_job(data: bytes) -> JobRecord:
    """The record in `data`. Raises BadMessage."""
    try:
        return msgspec.json.decode(data, type=JobRecord).check()
    except MISFITS as error:
        raise BadMessage(f"not a job record: {error}") from error


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
