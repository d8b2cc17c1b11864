"""The addresses of a job's list, whose secrets are in no name."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from typing import IO, TYPE_CHECKING

from producer.sources.lists.numbered_lines import NumberedLines
from producer.sources.lists.path_list import list_name, list_path, separator
from producer.sources.remote.address import is_web, line_of, named
from shared import regular_file
from shared.errors import SetupError

if TYPE_CHECKING:
    from producer.inputs.job_options import JobOptions


class ListedAddresses:
    """For several threads. `listed` is the list itself, if its record lacks the secrets."""

    def __init__(self, options: JobOptions, listed: IO[bytes] | None) -> None:
        self._options, self._listed = options, listed
        self._lines = NumberedLines(self._open, separator(options))

    def of(self, name: bytes) -> bytes:
        """The address of a name, with its secrets. Raises SetupError."""
        number = line_of(name)
        if number is None:
            return name
        options = self._options
        if not options.list_file:
            raise SetupError("the list that this address was in is not known here")
        if options.is_piped and self._listed is None:
            raise SetupError(
                f"{list_name(options)} has addresses with a query or a password, which are not "
                "stored; give the list again, and the same command resumes the job"
            )
        try:
            line = self._lines.line(number)
        except OSError as error:
            raise SetupError(f"{list_name(options)}: {error.strerror}") from None
        if line is None or named(line, number) != name:
            raise SetupError(
                f"{list_name(options)} was changed: its line {number + 1} is another address; "
                "restore it, or start over with --restart"
            )
        return line

    def web_addresses(self) -> Iterator[bytes]:
        """Those of web servers, in random order; none of a list that cannot be read."""
        with suppress(OSError):
            lines = next(number for number in count() if self._lines.line(number) is None)
            for number in random.sample(range(lines), lines):
                line = self._lines.line(number)
                if line is not None and is_web(line):
                    yield line

    def close(self) -> None:
        self._lines.close()

    def _open(self) -> IO[bytes]:
        if self._listed is not None:
            return open(os.dup(self._listed.fileno()), "rb")
        return regular_file.open_file(list_path(self._options))
