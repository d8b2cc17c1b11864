"""Images of servers by the names of their rows: several are requested ahead, and each answer is an
image that may be decoded, or none."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from producer.sources.remote.requests_ahead import Hold, Read, RequestsAhead
from producer.sources.remote.web_client import Response, number_in
from shared.image_formats import HEAD_BYTES, is_misnamed, is_other_kind
from shared.image_status import Status
from shared.messages.files import Stamp

#: A body of unknown length makes room in pieces.
_PIECE_BYTES = 1 << 20


class RemoteImages(ABC):
    """`check` may raise what ends a wait."""

    def __init__(self, max_bytes: int, check: Callable[[], None]) -> None:
        self._max_bytes = max_bytes
        self._ahead = RequestsAhead(self._fetch, check)
        self._heads = RequestsAhead(self._fetch_stamp, check)

    def announce(self, names: Sequence[bytes]) -> None:
        self._ahead.announce(names)

    def announce_stamps(self, names: Sequence[bytes]) -> None:
        self._heads.announce(names)

    def is_ready(self, name: bytes, seconds: float) -> bool:
        return self._ahead.is_ready(name, seconds)

    def read(self, name: bytes) -> Read:
        """The bytes of an image, or why there are none, and its stamp.

        Raises:
            SetupError: no server answers, or it refuses all images.
        """
        return self._ahead.read(name)

    def head(self, name: bytes) -> Read:
        """As `read`, without the bytes."""
        return self._heads.read(name)

    def close(self) -> None:
        """End all requests."""
        self._ahead.close()
        self._heads.close()

    @abstractmethod
    def _fetch(self, name: bytes, hold: Hold) -> Read:
        """The answer to `read`, by a request."""

    @abstractmethod
    def _fetch_stamp(self, name: bytes, hold: Hold) -> Read:
        """The answer to `head`, by a request."""

    def _image_in(self, name: bytes, response: Response, hold: Hold) -> Read:
        """The image in an answer; `unsupported` for one of a kind that is not decoded, as of a file
        (producer/sources/local/reader.py)."""
        size = response.number(b"content-length")
        if size is not None and size > self._max_bytes:
            return Status.TOO_LARGE, stamp_in(response)
        hold(size or 0)
        content = bytearray()
        for piece in response.body:
            content += piece
            if size is None:
                hold(-(-len(content) // _PIECE_BYTES) * _PIECE_BYTES)
                if len(content) > self._max_bytes:
                    return Status.TOO_LARGE, stamp_in(response)
        stamp = stamp_in(response, len(content))
        if is_other_kind(name) and not is_misnamed(bytes(content[:HEAD_BYTES])):
            return Status.UNSUPPORTED, stamp
        return bytes(content), stamp


def stamp_in(response: Response, length: int | None = None) -> Stamp:
    """The size, and the ETag or what else shows that an image has changed."""
    if length is None:
        length = _length(response)
    headers = response.headers
    tag = headers.get(b"etag") or headers.get(b"last-modified") or b"%d bytes" % length
    return tag_stamp(length, tag.decode("latin-1"))


def tag_stamp(size: int, tag: str) -> Stamp:
    """The stamp of what has this size and tag."""
    hashed = hashlib.sha256(tag.encode()).digest()
    return size, int.from_bytes(hashed[:8], "little") >> 1  # a stamp has signed numbers


def _length(response: Response) -> int:
    """The length of the whole image; 0 if a server does not say it."""
    total = number_in(response.headers.get(b"content-range", b"").rpartition(b"/")[2])
    return (response.number(b"content-length") or 0) if total is None else total
