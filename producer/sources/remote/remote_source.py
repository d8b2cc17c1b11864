"""What the sources of web addresses and of buckets share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

from producer.sources.remote.address import named
from producer.sources.remote.listed_addresses import ListedAddresses
from producer.sources.remote.remote_images import RemoteImages
from producer.sources.source import Source
from shared.image_status import Status
from shared.messages.files import Stamp

if TYPE_CHECKING:
    from producer.inputs.job_options import JobOptions
    from shared.stop import Waits

#: Names that are requested ahead, within a bound of bytes.
AHEAD_NAMES = 128
Images = TypeVar("Images", bound=RemoteImages)


class RemoteSource(Source, Generic[Images]):
    """Images of servers."""

    ahead = AHEAD_NAMES

    def __init__(self, typed: bytes, options: JobOptions, waits: Waits) -> None:
        super().__init__(typed, options, waits)
        self._opened: Images | None = None
        #: A name whose stamp was read, and whether its image is missing: a silent server is asked
        #: once for both.
        self._last: tuple[bytes, bool] = b"", False

    @abstractmethod
    def _open(self) -> Images:
        """Its images, of which none is requested yet."""

    def row_name(self, line: bytes, number: int) -> bytes:
        return named(line, number)

    def read(self, name: bytes, max_bytes: int) -> tuple[bytes | Status, Stamp]:
        return self._images.read(name)

    def stamp(self, name: bytes) -> Stamp:
        read = self._images.head(name)
        self._last = name, read[0] is Status.MISSING
        return read[1]

    def is_missing(self, name: bytes) -> bool:
        (last, is_missing), self._last = self._last, (b"", False)
        return is_missing if last == name else self._images.head(name)[0] is Status.MISSING

    def announce(self, names: Sequence[bytes]) -> None:
        self._images.announce(names)

    def is_ready(self, name: bytes, seconds: float) -> bool:
        return self._images.is_ready(name, seconds)

    def announce_stamps(self, names: Sequence[bytes]) -> None:
        self._images.announce_stamps(names)

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None
            self._listed_addresses.close()

    @property
    def _images(self) -> Images:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    @cached_property
    def _listed_addresses(self) -> ListedAddresses:
        return ListedAddresses(self.options, self.listed)
