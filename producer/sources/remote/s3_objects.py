"""The images of buckets: `s3://bucket/prefix`, and single objects."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any

from producer.sources.remote.contents import judged
from producer.sources.remote.requests_ahead import Closed, Hold, Read, RequestsAhead
from producer.sources.remote.s3_client import CutOff, Denied, Missing, S3Client
from producer.sources.remote.s3_listing import listed
from shared.image_status import Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import NO_STAMP, Stamp

SCHEME = b"s3://"
#: The library goes on with a body that ends early, but not with that of an object that has changed.
BODY_ATTEMPTS = 3


def split(name: bytes) -> tuple[str, str]:
    """The bucket and the key of an address. Raises UnicodeDecodeError: no key has other bytes."""
    bucket, _, key = name.removeprefix(SCHEME).partition(b"/")
    return bucket.decode(), key.decode()


def tag_stamp(size: int, tag: str) -> Stamp:
    """The stamp of what has this size and tag."""
    hashed = hashlib.sha256(tag.encode()).digest()
    return size, int.from_bytes(hashed[:8], "little") >> 1  # a stamp has signed numbers


class S3Objects:
    """Objects of any bucket, by their names. `check` may raise what ends a wait."""

    def __init__(
        self,
        max_bytes: int = MAX_FILE_BYTES,
        check: Callable[[], None] = lambda: None,
        **store: Any,
    ) -> None:
        self.client = S3Client(**store)
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
            yield b"%s%s/%s" % (SCHEME, bucket.encode(), key.encode()), tag_stamp(size, tag)

    def close(self) -> None:
        self.client.close()
        self._ahead.close()
        self._heads.close()

    def _fetch(self, name: bytes, hold: Hold) -> Read:
        return _answered(lambda: self._opened(name, hold))

    def _fetch_head(self, name: bytes, hold: Hold) -> Read:
        def head() -> Read:
            size, tag, _ = self.client.head(*split(name))
            return b"", tag_stamp(size, tag)

        return _answered(head)

    def _opened(self, name: bytes, hold: Hold) -> Read:
        bucket, key = split(name)
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


def _answered(act: Callable[[], Read]) -> Read:
    try:
        return act()
    except (Missing, UnicodeDecodeError):
        return Status.MISSING, NO_STAMP
    except Denied:
        return Status.UNREADABLE, NO_STAMP
    except CancelledError:
        raise Closed from None
