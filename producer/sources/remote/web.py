"""The images of a list of web addresses, and of an address among the arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from producer.sources.remote.address import Address, parsed
from producer.sources.remote.contents import judged
from producer.sources.remote.requests_ahead import Hold, Read, RequestsAhead
from producer.sources.remote.s3_objects import tag_stamp
from producer.sources.remote.servers import Servers
from producer.sources.remote.web_client import (
    ATTEMPTS,
    Failed,
    Rejected,
    Response,
    WebClient,
    number_in,
)
from shared.errors import SetupError
from shared.image_status import Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import NO_STAMP, Stamp

_GONE = {404, 410}
_FIRST_BYTE = {b"Range": b"bytes=0-0"}
#: A body of unknown length makes room in pieces.
_PIECE_BYTES = 1 << 20


class Web:
    """Images by the names of their rows; `address_of` returns the address of a name, with its
    secrets. `check` may raise what ends a wait."""

    def __init__(
        self,
        address_of: Callable[[bytes], bytes],
        local: bool = False,
        max_bytes: int = MAX_FILE_BYTES,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._address_of, self._max_bytes = address_of, max_bytes
        self._client = WebClient(local)
        self._ahead = RequestsAhead(self._fetch, check)
        self._heads = RequestsAhead(self._fetch_stamp, check)
        self._servers = Servers()

    def announce(self, names: Sequence[bytes]) -> None:
        self._ahead.announce(names)

    def announce_stamps(self, names: Sequence[bytes]) -> None:
        self._heads.announce(names)

    def is_ready(self, name: bytes, seconds: float) -> bool:
        return self._ahead.is_ready(name, seconds)

    def read(self, name: bytes) -> Read:
        """The bytes of an image, or why there are none, and its stamp.

        Raises:
            SetupError: no server answers, or the signature of an address has expired.
        """
        return self._ahead.read(name)

    def head(self, name: bytes) -> Read:
        """As `read`, without the bytes."""
        return self._heads.read(name)

    def close(self) -> None:
        self._client.close()
        self._servers.close()
        self._ahead.close()
        self._heads.close()

    def _fetch(self, name: bytes, hold: Hold) -> Read:
        def whole(response: Response) -> Read:
            return self._whole(name, response, hold)

        return self._answer(name, whole, {})

    def _fetch_stamp(self, name: bytes, hold: Hold) -> Read:
        # A signature is that of GET. A server that sends all in spite of the range is interrupted.
        return self._answer(name, _stamped, _FIRST_BYTE)

    def _answer(
        self, name: bytes, act: Callable[[Response], Read], headers: dict[bytes, bytes]
    ) -> Read:
        try:
            address = parsed(self._address_of(name))
        except ValueError:
            return Status.UNREADABLE, NO_STAMP
        with self._servers.asked(address.host) as server:
            try:
                read = self._client.get(address, act, headers, 1 if server.is_silent else ATTEMPTS)
            except Rejected as error:
                server.answers()
                if error.is_expired and address.is_signed:
                    raise _expired(address, error) from None
                return (Status.MISSING if error.status in _GONE else Status.UNREADABLE), NO_STAMP
            except Failed as error:
                server.fails()
                if self._servers.others_answer(server):
                    return Status.UNREADABLE, NO_STAMP
                raise SetupError(
                    f"{address.shown:.300}: {error}; fix this, and the same command resumes the job"
                ) from None
            server.answers()
            return read

    def _whole(self, name: bytes, response: Response, hold: Hold) -> Read:
        size = response.number(b"content-length")
        if size is not None and size > self._max_bytes:
            return Status.TOO_LARGE, _stamp(response)
        hold(size or 0)
        content = bytearray()
        for piece in response.body:
            content += piece
            if size is None:
                hold(-(-len(content) // _PIECE_BYTES) * _PIECE_BYTES)
                if len(content) > self._max_bytes:
                    return Status.TOO_LARGE, _stamp(response)
        return judged(name, bytes(content)), _stamp(response, len(content))


def _stamped(response: Response) -> Read:
    stamp = _stamp(response)
    if response.status == 206:
        for _ in response.body:  # one byte, after which the connection can be used again
            pass
    return b"", stamp


def _stamp(response: Response, length: int | None = None) -> Stamp:
    """The size, and the ETag or what else shows that an image has changed."""
    if length is None:
        length = _length(response)
    headers = response.headers
    tag = headers.get(b"etag") or headers.get(b"last-modified") or b"%d bytes" % length
    return tag_stamp(length, tag.decode("latin-1"))


def _length(response: Response) -> int:
    """The length of the whole image; 0 if a server does not say it."""
    total = number_in(response.headers.get(b"content-range", b"").rpartition(b"/")[2])
    return (response.number(b"content-length") or 0) if total is None else total


def _expired(address: Address, error: Rejected) -> SetupError:
    return SetupError(
        f"{address.shown:.300}: its signature has expired (status {error.status}); sign the "
        "addresses of the list again, in the same lines, and the same command resumes the job"
    )
