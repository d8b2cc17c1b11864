"""The source of the web addresses in a list, and of one among the arguments."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from producer.present.formatting import typed
from producer.sources.remote.address import check_argument, is_web, named
from producer.sources.remote.listed_addresses import ListedAddresses
from producer.sources.remote.web import NoAnswer, Web
from producer.sources.source import Source
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
        if not is_new:
            return
        check_argument(self.typed)
        if not _is_job(self.options):
            return
        try:
            self._web.head(self.typed)
        except NoAnswer as error:
            raise SetupError(f"{error.why}; fix this, then run the same command again") from None

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
            self._listed_addresses.close()

    @property
    def _web(self) -> Web:
        if self._opened is None:
            options = self.options
            self._opened = Web(
                self._listed_addresses.of,
                Settings.from_env().allows_local_addresses,
                options.max_file_bytes,
                self.waits.check,
                self._addresses,
                _remedy(options),
            )
        return self._opened

    @cached_property
    def _listed_addresses(self) -> ListedAddresses:
        return ListedAddresses(self.options, self.listed)

    def _addresses(self) -> Iterable[bytes]:
        """All web addresses of the job."""
        if self.options.list_file:
            return self._listed_addresses.web_addresses()
        return filter(is_web, self.options.roots)


def _is_job(options: JobOptions) -> bool:
    """Whether they are those of a job, and not of images that are read at once."""
    return os.path.isabs(options.output)


def _remedy(options: JobOptions) -> str:
    if not _is_job(options):
        return "fix this, then run the same command again"
    return (
        "fix this, and the same command resumes the job; to end an unfinished job without it: "
        + typed(["hangtag", "cancel", options.output])
    )
