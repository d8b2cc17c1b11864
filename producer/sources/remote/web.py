"""The images of a list of web addresses, and of an address among the arguments."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from producer.sources.remote.address import Address, parsed
from producer.sources.remote.remote_images import RemoteImages, stamp_in
from producer.sources.remote.requests_ahead import Hold, Read
from producer.sources.remote.servers import Server, Servers
from producer.sources.remote.web_client import (
    ATTEMPTS,
    Failed,
    Rejected,
    Response,
    WebClient,
)
from shared.errors import SetupError
from shared.image_status import Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import NO_STAMP, printable

_GONE = {404, 410}
_FIRST_BYTE = {b"Range": b"bytes=0-0"}
#: Of an address that was answered before, when another one fails: a busy server may refuse one.
_ANSWERED_ATTEMPTS = 3
#: Other addresses are asked for this time, each once, where none was answered in this run.
SEARCH_S = 60.0
Act = Callable[[Response], Read]
_RESUME = "fix this, and the same command resumes the job"


class NoAnswer(SetupError):
    """No address of a job is answered. `why` is the text without the remedy."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(f"{why}; {remedy}")
        self.why = why


class Web(RemoteImages):
    """Images by the names of their rows; `address_of` returns the address of a name, with its
    secrets. `check` may raise what ends a wait. `others` returns the addresses of the job, with
    their secrets, and `remedy` is what a line advises if none of them is answered."""

    def __init__(
        self,
        address_of: Callable[[bytes], bytes],
        local: bool = False,
        max_bytes: int = MAX_FILE_BYTES,
        check: Callable[[], None] = lambda: None,
        others: Callable[[], Iterable[bytes]] = tuple,
        remedy: str = _RESUME,
    ) -> None:
        super().__init__(max_bytes, check)
        self._address_of = address_of
        self._others, self._remedy = others, remedy
        self._client = WebClient(local)
        self._servers = Servers()
        #: Addresses that are requested now, or that failed in this run.
        self._unanswered = set[Address]()
        self._search, self._searched_s = threading.Lock(), float("-inf")

    def close(self) -> None:
        self._client.close()
        self._servers.close()
        super().close()

    def _fetch(self, name: bytes, hold: Hold) -> Read:
        def whole(response: Response) -> Read:
            return self._image_in(name, response, hold)

        return self._answer(name, whole, {})

    def _fetch_stamp(self, name: bytes, hold: Hold) -> Read:
        # A signature is that of GET. A server that sends all in spite of the range is interrupted.
        return self._answer(name, _stamped, _FIRST_BYTE)

    def _answer(self, name: bytes, act: Act, headers: dict[bytes, bytes]) -> Read:
        try:
            address = parsed(self._address_of(name))
        except ValueError:
            return Status.UNREADABLE, NO_STAMP
        try:
            return self._answered(name, address, act, headers)
        except Rejected as error:
            raise SetupError(
                f"{printable(name):.300}: its signature has expired (status {error.status}); sign "
                "the addresses of the list again, in the same lines, and the same command resumes "
                "the job"
            ) from None

    def _answered(
        self, name: bytes, address: Address, act: Act, headers: dict[bytes, bytes]
    ) -> Read:
        """Raises NoAnswer; Rejected: its signature has expired."""
        with self._servers.asked(address.host) as server:
            attempts = 1 if server.is_silent else ATTEMPTS
            try:
                return self._asked(server, address, act, headers, attempts)
            except Failed as error:
                server.fails()
                answering = self._answering(server, address)
                if answering is None:
                    raise NoAnswer(f"{printable(name):.300}: {error}", self._remedy) from None
            if answering == address.host:
                with suppress(Failed):
                    again = 1 if attempts > 1 else ATTEMPTS
                    return self._asked(server, address, act, headers, again)
            return Status.UNREADABLE, NO_STAMP

    def _asked(
        self,
        server: Server,
        address: Address,
        act: Act,
        headers: dict[bytes, bytes],
        attempts: int,
    ) -> Read:
        """The answer to a request. Raises Failed; Rejected: its signature has expired."""
        self._unanswered.add(address)
        try:
            read = self._client.get(address, act, headers, attempts)
        except Rejected as error:
            self._note_answer(server, address)
            if error.is_expired and address.is_signed:
                raise
            return (Status.MISSING if error.status in _GONE else Status.UNREADABLE), NO_STAMP
        self._note_answer(server, address)
        return read

    def _note_answer(self, server: Server, address: Address) -> None:
        self._unanswered.discard(address)
        server.answers(address)

    def _answering(self, failed: Server, address: Address) -> bytes | None:
        """The host that answers another address of the job, after this one failed; empty if another
        host has answered before; None if none answers."""
        if self._servers.others_answer(failed):
            return b""
        since = time.monotonic()
        with self._search:
            found = None if self._searched_s > since else self._found(failed, address)
            if found is None:
                self._searched_s = time.monotonic()
            return found

    def _found(self, failed: Server, address: Address) -> bytes | None:
        """As `_answering`, by requests."""
        known = failed.answered
        if known is not None and known != address:
            return failed.host if self._answers(known, _ANSWERED_ATTEMPTS) else None
        until = time.monotonic() + SEARCH_S
        for line in self._others():
            if time.monotonic() > until:
                break
            with suppress(ValueError):
                other = parsed(line)
                if other not in self._unanswered and self._answers(other, 1):
                    return other.host
        return None

    def _answers(self, address: Address, attempts: int) -> bool:
        with self._servers.asked(address.host) as server:
            try:
                self._asked(server, address, _stamped, _FIRST_BYTE, attempts)
            except Failed:
                return False
            except Rejected:  # it is an answer that a signature has expired
                pass
            return True


def _stamped(response: Response) -> Read:
    stamp = stamp_in(response)
    if response.status == 206:
        for _ in response.body:  # one byte, after which the connection can be used again
            pass
    return b"", stamp
