"""The source of the web addresses in a list, and of one among the arguments."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import IO, TYPE_CHECKING

from producer.sources.lists.numbered_lines import NumberedLines
from producer.sources.lists.path_list import list_name, list_path, separator
from producer.sources.remote.address import check_argument, is_web, line_of, named
from producer.sources.remote.web import Web
from producer.sources.source import Source
from shared import regular_file
from shared.errors import SetupError
from shared.image_status import Status
from shared.messages.files import Stamp
from shared.settings import Settings

if TYPE_CHECKING:
    from producer.inputs.job_options import JobOptions
    from producer.sources.walk import Walk
    from shared.stop import Waits

#: Names that are requested ahead, within a bound of bytes.
AHEAD_NAMES = 128


class WebSource(Source):
    """Images of web servers."""

    ahead = AHEAD_NAMES

    def __init__(self, typed: bytes, options: JobOptions, waits: Waits) -> None:
        super().__init__(typed, options, waits)
        self._opened: Web | None = None
        #: A name whose stamp was read, and whether its image is missing: a silent server is asked
        #: once for both.
        self._last: tuple[bytes, bool] = b"", False

    def check(self, is_new: bool) -> None:
        check_argument(self.typed)

    def holds(self, name: bytes) -> bool:
        return name == self.typed if self.typed else is_web(name)

    def entries(self, after: bytes, walk: Walk) -> Iterator[bytes]:
        return iter((self.typed,) if self.typed > after else ())

    def row_name(self, line: bytes, number: int) -> bytes:
        return named(line, number)

    def read(self, name: bytes, max_bytes: int) -> tuple[bytes | Status, Stamp]:
        return self._web.read(name)

    def stamp(self, name: bytes) -> Stamp:
        read = self._web.head(name)
        self._last = name, read[0] is Status.MISSING
        return read[1]

    def is_missing(self, name: bytes) -> bool:
        (last, is_missing), self._last = self._last, (b"", False)
        return is_missing if last == name else self._web.head(name)[0] is Status.MISSING

    def announce(self, names: Sequence[bytes]) -> None:
        self._web.announce(names)

    def is_ready(self, name: bytes, seconds: float) -> bool:
        return self._web.is_ready(name, seconds)

    def announce_stamps(self, names: Sequence[bytes]) -> None:
        self._web.announce_stamps(names)

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None
            self._lines.close()

    @property
    def _web(self) -> Web:
        if self._opened is None:
            local = Settings.from_env().allows_local_addresses
            most = self.options.max_file_bytes
            self._opened = Web(self._address_of, local, most, self.waits.check)
        return self._opened

    def _address_of(self, name: bytes) -> bytes:
        """The address of a name, with its secrets. Raises SetupError."""
        number = line_of(name)
        if number is None:
            return name
        if not self.options.list_file:
            raise SetupError("the list that this address was in is not known here")
        if self.options.is_piped and self.listed is None:
            raise SetupError(
                f"{list_name(self.options)} has addresses with a query or a password, which are "
                "not stored; give the list again, and the same command resumes the job"
            )
        try:
            line = self._lines.line(number)
        except OSError as error:
            raise SetupError(f"{list_name(self.options)}: {error.strerror}") from None
        if line is None or named(line, number) != name:
            raise SetupError(
                f"{list_name(self.options)} was changed: its line {number + 1} is another address; "
                "restore it, or start over with --restart"
            )
        return line

    @cached_property
    def _lines(self) -> NumberedLines:
        return NumberedLines(self._open_list, separator(self.options))

    def _open_list(self) -> IO[bytes]:
        if self.listed is not None:
            return open(os.dup(self.listed.fileno()), "rb")
        return regular_file.open_file(list_path(self.options))
