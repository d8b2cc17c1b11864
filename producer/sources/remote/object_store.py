"""The images of buckets: `s3://bucket/prefix`, and single objects."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

from producer.sources.remote.contents import judged
from producer.sources.remote.object_client import Denied, Missing, ObjectClient
from producer.sources.remote.object_listing import listed
from producer.sources.remote.requests_ahead import Closed, Hold, Read, RequestsAhead
from shared.image_status import Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import NO_STAMP, Stamp

SCHEME = b"s3://"


def split(name: bytes) -> tuple[str, str]:
    """The bucket and the key of an address."""
    bucket, _, key = name.removeprefix(SCHEME).partition(b"/")
    return bucket.decode(errors="replace"), key.decode(errors="replace")


def tag_stamp(size: int, tag: str) -> Stamp:
    """The stamp of what has this size and tag."""
    hashed = hashlib.sha256(tag.encode()).digest()
    return size, int.from_bytes(hashed[:8], "little") >> 1  # a stamp has signed numbers


class Objects:
    """Objects of any bucket, by their names. `check` may raise what ends a wait."""

    def __init__(
        self,
        max_bytes: int = MAX_FILE_BYTES,
        check: Callable[[], None] = lambda: None,
        **store: Any,
    ) -> None:
        self.client = ObjectClient(**store)
        self._max_bytes, self._check = max_bytes, check
        self._ahead = RequestsAhead(self._fetch, check)

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

    def stamp(self, name: bytes) -> Stamp:
        """The stamp that `read` would return; NO_STAMP of a missing object. Raises SetupError."""
        try:
            bucket, key = split(name)
            size, tag, _ = self.client.head(bucket, key)
            return tag_stamp(size, tag)
        except (Missing, Denied):
            return NO_STAMP

    def entries(self, root: bytes, after: bytes = b"") -> Iterator[tuple[bytes, Stamp]]:
        """The names and stamps of the objects below an address, after a name. Raises SetupError."""
        bucket, prefix = split(root)
        start = split(after)[1] if after else ""
        for key, size, tag in listed(self.client, bucket, prefix, start, self._check):
            yield b"%s%s/%s" % (SCHEME, bucket.encode(), key.encode()), tag_stamp(size, tag)

    def close(self) -> None:
        self.client.close()
        self._ahead.close()

    def _fetch(self, name: bytes, hold: Hold) -> Read:
        bucket, key = split(name)
        with suppress(Missing):
            try:
                return self._opened(name, bucket, key, hold)
            except Denied:
                return Status.UNREADABLE, NO_STAMP
            except CancelledError:
                raise Closed from None
        return Status.MISSING, NO_STAMP

    def _opened(self, name: bytes, bucket: str, key: str, hold: Hold) -> Read:
        opened = self.client.open(bucket, key)
        stamp = tag_stamp(opened.size, opened.tag)
        if opened.size > self._max_bytes:
            return Status.TOO_LARGE, stamp
        hold(opened.size)
        return judged(name, self.client.body(bucket, opened)), stamp
