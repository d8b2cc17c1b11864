"""Job records, hints, and batches of images with their results. Invalid bytes raise BadMessage.

The hint for a batch is `(job, batch)`. Its images are stored in Redis as one blob:

    count: u32 | word: u32 x count | bytes of the images, one after the other

A word is the image's length in bytes. With the top bit set it is a status code, for a file that
could not be read (and has no bytes). With the next bit set it is the length of a reference to a
file (shared/messages/files.py), which replaces the bytes. All numbers are little-endian. A worker
that does not know references refuses the blob, and is sent the bytes.
"""

from __future__ import annotations

import re
import secrets
import struct
from array import array
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from shared.errors import MISFITS, BadMessage
from shared.image_status import BY_CODE, FLAGS, Status
from shared.messages.files import Reference, unpack
from shared.messages.model_name import NAME
from shared.runtimes import RUNTIMES

_ID_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # without similar ones
_ID_LENGTH = 8
#: Upper bound on HANGTAG_BATCH_IMAGES, which bounds the size of a result.
MAX_BATCH_IMAGES = 1 << 16
#: A larger file is a row `too_large`, to bound the memory of Redis.
MAX_FILE_BYTES = 64 << 20
_FAILED = 1 << 31
_REFERS = 1 << 30
_LENGTH = _REFERS - 1
JOB_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{8}")
MAX_BATCHES = 1 << 31
_PATH_CHARS = 4096  #: no system has longer paths
_SHA256 = re.compile(r"[0-9a-f]{64}")


def new_id() -> str:
    """A new id of a job or a request, short enough to type."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))


#: The columns of a result -> the kind of their numbers, as in `array`. What else a worker measures
#: of an image is one more field of `BatchResult`, the last one, with b"" as its default, and its
#: kind here: then it is checked, joined and repeated like the others.
KINDS = {"statuses": "B", "indices": "H", "probabilities": "f", "flags": "B", "digests": "I"}
_OF_LABELS = {"indices", "probabilities"}
#: They are empty where no image has a value other than 0.
_OPTIONAL = KINDS.keys() - {"statuses", "indices", "probabilities"}


class BatchResult(msgspec.Struct, frozen=True, array_like=True):
    """The results of one batch of n images, k pairs each.

    statuses: n wire codes. indices: uint16[n, k] label indices, most probable first.
    probabilities: float32[n, k]. flags: n wire codes, or empty if no image has a flag.
    digests: CRC-32 of the files that the worker has read (shared/messages/files.py), or empty.
    Rows of images that are not `ok` hold zeros. Little-endian.
    """

    k: int
    statuses: bytes
    indices: bytes
    probabilities: bytes
    flags: bytes = b""
    digests: bytes = b""

    @classmethod
    def from_columns(cls, k: int, columns: Mapping[str, bytes]) -> BatchResult:
        """A result with these columns."""
        some = {name: data for name, data in columns.items() if name not in _OPTIONAL or any(data)}
        return cls(k, **some)

    @classmethod
    def joined(cls, parts: Sequence[BatchResult]) -> BatchResult:
        """One result from the results of its parts."""
        columns = {name: b"".join(part.column(name) for part in parts) for name in KINDS}
        return cls.from_columns(parts[0].k, columns)

    def width(self, column: str) -> int:
        """The bytes that a column has for each image."""
        return _width(column, self.k)

    def column(self, name: str) -> bytes:
        """A column with values for each image."""
        data: bytes = getattr(self, name)
        return data or bytes(len(self.statuses) * self.width(name))

    @property
    def failed(self) -> int:
        """The number of images without a label."""
        return len(self.statuses) - self.statuses.count(Status.OK.code)

    def check(self, count: int) -> BatchResult:
        """This result, if its fields fit `count` images.

        Raises:
            BadMessage: they do not.
        """
        good = (
            self.k >= 1
            and all(self._fits(name, count) for name in KINDS)
            and all(code < len(BY_CODE) for code in set(self.statuses))
            and all(code < len(FLAGS) for code in set(self.flags))
        )
        if not good:
            raise BadMessage(f"a result does not fit a batch of {count} images")
        return self

    def _fits(self, column: str, count: int) -> bool:
        data: bytes = getattr(self, column)
        left_out = column in _OPTIONAL and not data
        return left_out or len(data) == count * self.width(column)

    def check_labels(self, k: int, labels: int) -> BatchResult:
        """This result, if it names `k` of `labels` labels for each image.

        Raises:
            BadMessage: it does not; writing it to a table would crash the producer.
        """
        indices: Sequence[int] = array("H", self.indices)
        if self.k != k or max(indices, default=0) >= labels:
            raise BadMessage(f"a result does not name {k} of {labels} labels")
        return self


def _width(column: str, k: int) -> int:
    return array(KINDS[column]).itemsize * (k if column in _OF_LABELS else 1)


def encode_result(result: BatchResult) -> bytes:
    """The result as MessagePack."""
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
    return headers + MAX_BATCH_IMAGES * sum(_width(column, k) for column in KINDS)


def encode_images(images: Sequence[bytes | Reference | Status]) -> bytes:
    """One blob of encoded files, references to files, and statuses of unreadable files."""
    if {*map(type, images)} <= {bytes}:  # as a rule
        words, contents = array("I", map(len, images)), cast(Sequence[bytes], images)
    else:
        words = array("I", map(_word, images))
        contents = [
            i if isinstance(i, bytes) else i.pack() for i in images if not isinstance(i, Status)
        ]
    return b"".join([struct.pack("<I", len(images)), words.tobytes(), *contents])


def _word(image: bytes | Reference | Status) -> int:
    if isinstance(image, bytes):
        return len(image)
    if isinstance(image, Status):
        return _FAILED | image.code
    return _REFERS | len(image.pack())


def decode_payload(blob: bytes) -> list[bytes | Reference | Status]:
    """The images in a blob of `encode_images`. Raises BadMessage."""
    try:
        (count,) = struct.unpack_from("<I", blob)
        words = struct.unpack_from(f"<{count}I", blob, 4)
    except struct.error as error:
        raise BadMessage("an image blob is truncated") from error
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
        raise BadMessage("an image blob does not have the length that its header states")
    return images


def _status(code: int) -> Status:
    if not 0 < code < len(BY_CODE):
        raise BadMessage(f"an image blob has the unknown status {code}")
    return BY_CODE[code]


def check_hint(job: object, batch: object) -> None:
    """Raises BadMessage for a hint that is not `(job id, batch number)`."""
    good = isinstance(job, str) and JOB_ID.fullmatch(job) is not None
    if not good or type(batch) is not int or not 0 <= batch < MAX_BATCHES:
        raise BadMessage(f"not a hint: ({job!r:.40}, {batch!r:.40})")


class JobRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a worker needs to know of a job. A job is pinned to a version by its submission.

    Workers refuse a record with a field that they do not know: such a field raises keys.PROTOCOL.
    """

    id: str
    name: str
    version: int
    card_sha256: str  #: the card names the sha256 of every other file
    runtime: str
    top_k: int  #: how many (label, probability) pairs each image gets
    output: str  #: displayed by `status`, opened only by the producer
    host: str
    created: float  #: seconds since 1970

    def check(self) -> JobRecord:
        """This record, if every field is in range.

        Raises:
            BadMessage: a field is out of range.
        """
        good = (
            JOB_ID.fullmatch(self.id)
            and NAME.fullmatch(self.name)
            and 0 <= self.version < 1 << 31
            and _SHA256.fullmatch(self.card_sha256)
            and self.runtime in RUNTIMES
            and 1 <= self.top_k <= 65_535
            and max(len(self.output), len(self.host)) <= _PATH_CHARS
        )
        if not good:
            raise BadMessage(f"job record {self.id!r:.40} has a field out of range")
        return self


def encode_job(record: JobRecord) -> bytes:
    """The record as JSON, which is readable in Redis."""
    return msgspec.json.encode(record)


def decode_job(data: bytes) -> JobRecord:
    """The record in `data`. Raises BadMessage."""
    try:
        return msgspec.json.decode(data, type=JobRecord).check()
    except MISFITS as error:
        raise BadMessage(f"not a job record: {error}") from error
