"""What the sources of web addresses and of buckets share."""

from __future__ import annotations

import hashlib
import os
import random
import re
import threading
from abc import abstractmethod
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from producer.sources.lists import list_name, list_path, separator
from producer.sources.remote.address import is_web, line_of, row_name_of
from producer.sources.remote.requests_ahead import Hold, Read, RequestsAhead
from producer.sources.remote.web_client import Response, number_in
from producer.sources.source import Source
from shared import regular_file
from shared.errors import SetupError
from shared.image_formats import HEAD_BYTES, is_misnamed, is_other_kind
from shared.image_status import Status
from shared.messages.files import Stamp

if TYPE_CHECKING:
    from producer.job.job_options import JobOptions
    from shared.stop import Waits


_BLOCK_BYTES = 1 << 20
#: A body of unknown length makes room in pieces.
_PIECE_BYTES = 1 << 20
#: Names that are requested ahead, within a bound of bytes.
AHEAD_NAMES = 128


class ListedAddresses:
    """The addresses of a source's list, whose secrets are in no name. For several threads. 8 bytes
    of each line are in memory."""

    def __init__(self, source: Source) -> None:
        self._source, self._options = source, source.options
        self._end = separator(source.options)
        self._file: IO[bytes] | None = None
        self._ends = array("Q")  #: where each line ends
        self._lock = threading.Lock()

    def address_of(self, name: bytes) -> bytes:
        """The address of a name, with its secrets. Raises SetupError."""
        number, options = line_of(name), self._options
        if number is None or not options.list_file:  # the fragment of an argument may be digits
            return name
        if options.is_piped and self._source.listed is None:
            raise SetupError(
                f"{list_name(options)} has addresses with a query or a password, which are not "
                "stored; give the list again, and the same command resumes the job"
            )
        try:
            line = self._line(number)
        except OSError as error:
            raise SetupError(f"{list_name(options)}: {error.strerror}") from None
        if line is None or row_name_of(line, number) != name:
            raise SetupError(
                f"{list_name(options)} was changed: its line {number + 1} is another address; "
                "restore it, or start over with --restart"
            )
        return line

    def web_addresses(self) -> Iterator[bytes]:
        """Those of web servers, in random order; none of a list that cannot be read."""
        with suppress(OSError):
            self._opened()
            for number in random.sample(range(len(self._ends)), len(self._ends)):
                line = self._line(number)
                if line is not None and is_web(line):
                    yield line

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file, self._ends = None, array("Q")

    def _line(self, number: int) -> bytes | None:
        """A line without its end; None if there is none. Raises OSError."""
        file = self._opened()
        if number >= len(self._ends):
            return None
        start = self._ends[number - 1] + 1 if number else 0
        line = os.pread(file.fileno(), self._ends[number] - start, start)
        return line if self._options.list0 else line.rstrip(b"\r")

    def _opened(self) -> IO[bytes]:
        with self._lock:
            if self._file is None:
                if (listed := self._source.listed) is not None:
                    file: IO[bytes] = os.fdopen(os.dup(listed.fileno()), "rb")
                else:
                    file = regular_file.open_file(list_path(self._options))
                self._ends, self._file = _ends_in(file, self._end), file
            return self._file


def _ends_in(file: IO[bytes], end: bytes) -> array[int]:
    """The position of each end of a line, and that of the file if the last line has none."""
    ends, size = array("Q"), 0
    while block := os.pread(file.fileno(), _BLOCK_BYTES, size):
        ends.extend(size + match.start() for match in re.finditer(re.escape(end), block))
        size += len(block)
    if size > (ends[-1] + 1 if ends else 0):
        ends.append(size)
    return ends


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


class RemoteSource(Source):
    """Images of servers. Several are requested ahead, and each answer is one that may be decoded,
    or none. It is used until it is closed."""

    ahead = AHEAD_NAMES

    def __init__(self, typed: bytes, options: JobOptions, waits: Waits) -> None:
        super().__init__(typed, options, waits)
        self._images = RequestsAhead(self._fetch, waits.check)
        self._stamps = RequestsAhead(self._fetch_stamp, waits.check)
        self._addresses = ListedAddresses(self)

    @abstractmethod
    def _fetch(self, name: bytes, hold: Hold) -> Read:
        """The answer to `read`, by a request."""

    @abstractmethod
    def _fetch_stamp(self, name: bytes, hold: Hold) -> Read:
        """The stamp that `read` returns, by a request, and no bytes."""

    def row_name(self, line: bytes, number: int) -> bytes:
        return row_name_of(line, number)

    def read(self, name: bytes, max_bytes: int) -> tuple[bytes | Status, Stamp]:
        return self._images.read(name)

    def stamp(self, name: bytes) -> Stamp:
        return self._stamps.read(name)[1]

    def announce(self, names: Sequence[bytes], stamps: bool = False) -> None:
        (self._stamps if stamps else self._images).announce(names)

    def is_ready(self, name: bytes, seconds: float) -> bool:
        return self._images.is_ready(name, seconds)

    def close(self) -> None:
        """End all requests, once the client has ended their waits."""
        self._images.close()
        self._stamps.close()
        self._addresses.close()

    def _image_in(self, name: bytes, response: Response, hold: Hold) -> Read:
        """The image in an answer; `unsupported` for one of a kind that is not decoded, as of a file
        (producer/sources/reader.py)."""
        size, max_bytes = response.number(b"content-length"), self.options.max_file_bytes
        if size is not None and size > max_bytes:
            return Status.TOO_LARGE, stamp_in(response)
        hold(size or 0)
        content = bytearray()
        for piece in response.body:
            content += piece
            if size is None:
                hold(-(-len(content) // _PIECE_BYTES) * _PIECE_BYTES)
                if len(content) > max_bytes:
                    return Status.TOO_LARGE, stamp_in(response)
        stamp = stamp_in(response, len(content))
        if is_other_kind(name) and not is_misnamed(bytes(content[:HEAD_BYTES])):
            return Status.UNSUPPORTED, stamp
        return bytes(content), stamp
