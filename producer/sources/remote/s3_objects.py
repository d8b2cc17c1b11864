"""The images of buckets: `s3://bucket/prefix`, and single objects."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any

from producer.sources.remote.address import line_of
from producer.sources.remote.contents import judged
from producer.sources.remote.requests_ahead import Closed, Hold, Read, RequestsAhead
from producer.sources.remote.s3_client import CutOff, Denied, Missing, NoBucket, S3Client
from producer.sources.remote.s3_listing import listed
from shared.errors import SetupError
from shared.image_status import Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import NO_STAMP, Stamp, printable

SCHEME = b"s3://"
#: The library goes on with a body that ends early, but not with that of an object that has changed.
BODY_ATTEMPTS = 3
_NO_BUCKET = re.compile(r"[?#@:]")


def split(name: bytes) -> tuple[str, str]:
    """The bucket and the key of an address. Raises UnicodeDecodeError: no key has other bytes."""
    bucket, _, key = name[len(SCHEME) :].partition(b"/")
    return bucket.decode(), key.decode()


def is_bucket(name: str) -> bool:
    """Whether this may be the name of a bucket, and not a user with a password, or a query."""
    return bool(name) and not _NO_BUCKET.search(name)


def tag_stamp(size: int, tag: str) -> Stamp:
    """The stamp of what has this size and tag."""
    hashed = hashlib.sha256(tag.encode()).digest()
    return size, int.from_bytes(hashed[:8], "little") >> 1  # a stamp has signed numbers


class S3Objects:
    """Objects of any bucket, by the names of their rows; `address_of` returns the address of a
    name. `check` may raise what ends a wait."""

    def __init__(
        self,
        max_bytes: int = MAX_FILE_BYTES,
        check: Callable[[], None] = lambda: None,
        address_of: Callable[[bytes], bytes] = lambda name: name,
        **store: Any,
    ) -> None:
        self.client, self._address_of = S3Client(**store), address_of
        self._max_bytes, self._check = max_bytes, check
        self._ahead = RequestsAhead(self._fetch, check)
        self._heads = RequestsAhead(self._fetch_head, check)

    def announce(self, names: Sequence[bytes]) -> None:
        self._ahead.announce(names)

    def is_ready(self, name: bytes, seconds: float) -> bool:
        return self._ahead.is_ready(name, seconds)

    def read(self, name: bytes) -> Read:
        """The bytes of an object, or why there are none, and its stamp.

        Raises:
            SetupError: its server is at fault.
        """
        return self._ahead.read(name)

    def announce_stamps(self, names: Sequence[bytes]) -> None:
        self._heads.announce(names)

    def head(self, name: bytes) -> Read:
        """As `read`, without the bytes."""
        return self._heads.read(name)

    def entries(self, root: bytes, after: bytes = b"") -> Iterator[tuple[bytes, Stamp]]:
        """The names and stamps of the objects below an address, after a name. Raises SetupError."""
        bucket, prefix = split(root)
        start = split(after)[1] if after else ""
        for key, size, tag in listed(self.client, bucket, prefix, start, self._check):
            yield (
                b"%s%s/%s" % (root[: len(SCHEME)], bucket.encode(), key.encode()),
                tag_stamp(size, tag),
            )

    def close(self) -> None:
        self.client.close()
        self._ahead.close()
        self._heads.close()

    def _fetch(self, name: bytes, hold: Hold) -> Read:
        def content(bucket: str, key: str) -> Read:
            return self._content(name, bucket, key, hold)

        return self._answered(name, content)

    def _fetch_head(self, name: bytes, hold: Hold) -> Read:
        def head(bucket: str, key: str) -> Read:
            size, tag, _ = self.client.head(bucket, key)
            return b"", tag_stamp(size, tag)

        return self._answered(name, head)

    def _content(self, name: bytes, bucket: str, key: str, hold: Hold) -> Read:
        stamps = set[Stamp]()
        for _ in range(BODY_ATTEMPTS):
            opened = self.client.open(bucket, key)
            stamp = tag_stamp(opened.size, opened.tag)
            if opened.size > self._max_bytes:
                return Status.TOO_LARGE, stamp
            hold(opened.size)
            try:
                return judged(name, self.client.body(bucket, opened)), stamp
            except CutOff:
                stamps.add(stamp)
        return Status.CHANGED if len(stamps) > 1 else Status.UNREADABLE, NO_STAMP

    def _answered(self, name: bytes, act: Callable[[str, str], Read]) -> Read:
        address = self._address_of(name)
        try:
            bucket, key = split(address)
        except UnicodeDecodeError:
            return Status.MISSING, NO_STAMP
        if not is_bucket(bucket):
            return Status.MISSING, NO_STAMP
        try:
            return act(bucket, key)
        except Missing:
            return Status.MISSING, NO_STAMP
        except Denied:
            return Status.UNREADABLE, NO_STAMP
        except CancelledError:
            raise Closed from None
        except SetupError as error:
            if line_of(name) is None:
                raise
            # What looks like a bucket may be a part of a secret.
            if isinstance(error, NoBucket):
                return Status.MISSING, NO_STAMP
            raise type(error)(str(error).replace(f"s3://{bucket}", printable(name))) from None
