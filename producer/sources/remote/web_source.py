"""The web addresses in a list, and one among the arguments."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from producer.sources.folder_walk import REMEDY
from producer.sources.remote.address import Address, check_argument, is_web, parsed_address
from producer.sources.remote.remote_source import RemoteSource, stamp_in
from producer.sources.remote.requests_ahead import Hold, Read
from producer.sources.remote.web_client import (
    ATTEMPTS,
    Failed,
    Rejected,
    Response,
    WebClient,
)
from shared.errors import SetupError
from shared.image_status import Status
from shared.messages.files import NO_STAMP, printable
from shared.settings import Settings

if TYPE_CHECKING:
    from producer.job.job_options import JobOptions
    from producer.sources.job_sources import Walk
    from shared.stop import Waits


_GONE = {404, 410}
_FIRST_BYTE = {b"Range": b"bytes=0-0"}
#: The answer of another host is the proof that the network works for this time.
RECENT_S = 1.0
#: A list may name any number of silent servers; this number is remembered.
SILENT_MAX = 1000
#: Other addresses are asked for this time, each once, where none was answered so recently.
SEARCH_S = 60.0
Act = Callable[[Response], Read]


def _stamp_without_bytes(response: Response) -> Read:
    stamp = stamp_in(response)
    if response.status == 206:
        for _ in response.body:  # one byte, after which the connection can be used again
            pass
    return b"", stamp


class WebSource(RemoteSource):
    """Images of web servers."""

    def __init__(self, typed: bytes, options: JobOptions, waits: Waits) -> None:
        super().__init__(typed, options, waits)
        self._client = WebClient(Settings.from_env().allows_local_addresses)
        #: Hosts whose last answer was none.
        self._silent = set[bytes]()
        #: The address that was answered last, and when.
        self._last: Address | None = None
        self._last_s = float("-inf")
        self._search, self._searched_s = threading.Lock(), float("-inf")

    def check(self, is_new: bool) -> None:
        if is_new:
            check_argument(self.typed)
            self.stamp(self.typed)

    def holds(self, name: bytes) -> bool:
        return name == self.typed if self.typed else is_web(name)

    def entries(self, after: bytes, walk: Walk) -> Iterator[bytes]:
        return iter((self.typed,) if self.typed > after else ())

    def close(self) -> None:
        self._client.close()
        super().close()

    def _fetch(self, name: bytes, hold: Hold) -> Read:
        def whole(response: Response) -> Read:
            return self._image_in(name, response, hold)

        return self._read_address(name, whole, {})

    def _fetch_stamp(self, name: bytes, hold: Hold) -> Read:
        # A signature is that of GET. A server that sends all in spite of the range is interrupted.
        return self._read_address(name, _stamp_without_bytes, _FIRST_BYTE)

    def _read_address(self, name: bytes, act: Act, headers: dict[bytes, bytes]) -> Read:
        try:
            address = parsed_address(self._addresses.address_of(name))
        except ValueError:
            return Status.UNREADABLE, NO_STAMP
        try:
            return self._read_or_stop(name, address, act, headers)
        except Rejected as error:
            raise SetupError(
                f"{printable(name):.300}: its signature has expired (status {error.status}); sign "
                "the addresses of the list again, in the same lines, and the same command resumes "
                "the job"
            ) from None

    def _read_or_stop(
        self, name: bytes, address: Address, act: Act, headers: dict[bytes, bytes]
    ) -> Read:
        """Raises SetupError: no address is answered; Rejected: its signature has expired."""
        is_silent = address.host in self._silent
        try:
            return self._request(address, act, headers, 1 if is_silent else ATTEMPTS)
        except Failed as error:
            other = self._other_that_answers(address)
            if other is None:
                raise SetupError(
                    f"{printable(name):.300}: {error}; {REMEDY}, hangtag cancel ends it"
                ) from None
        if other.host == address.host:
            with suppress(Failed):
                return self._request(address, act, headers, ATTEMPTS if is_silent else 1)
        return Status.UNREADABLE, NO_STAMP

    def _request(
        self, address: Address, act: Act, headers: dict[bytes, bytes], attempts: int
    ) -> Read:
        """The answer to a request. Raises Failed; Rejected: its signature has expired."""
        try:
            read = self._client.get(address, act, headers, attempts)
        except Failed:
            if len(self._silent) >= SILENT_MAX:
                self._silent.clear()
            self._silent.add(address.host)
            raise
        except Rejected as error:
            self._note_answer(address)
            if error.is_expired and address.is_signed:
                raise
            return (Status.MISSING if error.status in _GONE else Status.UNREADABLE), NO_STAMP
        self._note_answer(address)
        return read

    def _note_answer(self, address: Address) -> None:
        self._silent.discard(address.host)
        self._last, self._last_s = address, time.monotonic()

    def _other_that_answers(self, failed: Address) -> Address | None:
        """Another address of the job that is answered, now that this one failed: the last one that
        was, or else any. None if none is."""
        since = time.monotonic()
        with self._search:
            last = self._last
            if last is not None and last != failed:
                recent_s = since if last.host == failed.host else since - RECENT_S
                if self._last_s > recent_s:
                    return last
            if self._searched_s > since:  # by another thread, without success
                return None
            until = since + SEARCH_S
            for other in self._other_addresses():
                if time.monotonic() > until:
                    break
                if other != failed and self._is_answered(other):
                    return other
            self._searched_s = time.monotonic()
            return None

    def _other_addresses(self) -> Iterator[Address]:
        """The address that was answered last, and all web addresses of the job."""
        if self._last is not None:
            yield self._last
        listed = self._addresses.web_addresses() if self.options.list_file else self.options.roots
        for line in filter(is_web, listed):
            with suppress(ValueError):
                yield parsed_address(line)

    def _is_answered(self, address: Address) -> bool:
        try:
            self._request(address, _stamp_without_bytes, _FIRST_BYTE, 1)
        except Failed:
            return False
        except Rejected:  # it is an answer that a signature has expired
            pass
        return True
