"""Where images are: what each kind of source does. Kinds are listed in source_table.py.

A **source** has the images of one argument of a job, or of the addresses in its list. All of it is
lazy, bounded in memory and restartable. The name of an image is a path that starts with what was
typed: `photos/a.jpg`, `photos.zip/a.jpg`, `s3://bucket/a.jpg`. It has no password and no query,
since it is in the table, the journal and in messages.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING

from shared.image_status import Status
from shared.messages.files import NO_STAMP, Stamp

if TYPE_CHECKING:
    from producer.inputs.job_options import JobOptions
    from producer.sources.walk import Walk
    from shared.stop import Waits


class Source(ABC):
    """One source. It is used by one thread at a time."""

    #: Whether its names are in byte order. Otherwise the next one is found behind the bytes of the
    #: last one, which are lost if they were not read before.
    is_sorted = True
    #: The number of names that it is to have before they are read; 0: it does not read ahead.
    ahead = 0
    #: The job's list, if its record lacks the secrets of addresses.
    listed: IO[bytes] | None = None

    def __init__(self, typed: bytes, options: JobOptions, waits: Waits) -> None:
        """`typed` is the argument; empty: the addresses of the job's list. Nothing is opened yet.
        Each wait for a server is one of `waits`, so that a stop and a time limit end it."""
        self.typed, self.options, self.waits = typed, options, waits

    @property
    def identity(self) -> bytes:
        """Its place, with a slash: that of what lies within it starts so, however it is typed."""
        return self.typed.rstrip(b"/") + b"/"

    @abstractmethod
    def check(self, is_new: bool) -> None:
        """Check before work starts that it can be listed; `is_new` unless the job has started.

        Raises:
            UsageError: the argument is wrong.
            SetupError: it cannot be reached.
        """

    def holds(self, name: bytes) -> bool:
        """Whether this is the name of one of its images."""
        return name.startswith(self.typed.rstrip(b"/") + b"/")

    @abstractmethod
    def entries(self, after: bytes, walk: Walk) -> Iterator[bytes]:
        """The names of its images after `after` (empty: all), in byte order, unless it is not
        sorted. What can only be a row with a reason is one, too. `walk.skip` counts what is no row,
        `walk.report` gets a folder that cannot be listed, and `walk.check` is called again and
        again while no name is found; it may raise what ends the walk.

        Raises:
            SetupError: it cannot be listed.
        """

    def own_order(self, name: bytes) -> bytes:
        """The start of all names that have an order of their own among each other, as this one has;
        empty if it is in byte order."""
        return b"" if self.is_sorted else self.typed.rstrip(b"/") + b"/"

    @abstractmethod
    def read(self, name: bytes, max_bytes: int) -> tuple[bytes | Status, Stamp]:
        """An image's bytes and stamp; a status instead of bytes if it cannot be read.

        Raises:
            SetupError: the source cannot be reached, as opposed to this image. The job ends, and
                can be resumed.
            Stopped: as its waits say.
        """

    def read_small(
        self, name: bytes, below_bytes: int, max_bytes: int
    ) -> tuple[bytes | Status | None, Stamp]:
        """As `read`; may be None instead of the bytes of an image of at least `below_bytes` that
        has a local path, since a worker may open that."""
        return self.read(name, max_bytes)

    @abstractmethod
    def stamp(self, name: bytes) -> Stamp:
        """The stamp that `read` would return for a readable image: its size, and 8 bytes of its
        time, checksum or hashed ETag. NO_STAMP if it is missing or cannot be reached."""

    def stamps(self, after: bytes, walk: Walk) -> Iterator[tuple[bytes, Stamp]]:
        """Names as of `entries`, each with its stamp, of a listing that has them."""
        for name in self.entries(after, walk):
            yield name, self.stamp(name)

    def is_missing(self, name: bytes) -> bool:
        """Whether `read` would call the image missing, and not unreadable: to be overridden where
        an unreadable one has no stamp."""
        return self.stamp(name) == NO_STAMP

    def local_path(self, name: bytes) -> bytes | None:
        """The absolute path of the file of an image; None if it is in no file of its own."""
        return None

    def announce(self, names: Sequence[bytes]) -> None:  # noqa: B027  most do not read ahead
        """Start to fetch these, which are read next, in this order. The bytes that are held are
        bounded, so the last ones may wait. Some may never be read."""

    def is_ready(self, name: bytes, seconds: float) -> bool:
        """Whether `read` would return at once after a wait of this time at most. A job that reads
        ahead does something else meanwhile."""
        return True

    def announce_stamps(self, names: Sequence[bytes]) -> None:  # noqa: B027  as `announce`
        """The same of names of which only the stamps are read."""

    def row_name(self, line: bytes, number: int) -> bytes:
        """The name of the image that this line of a list names, without secrets. Two lines have two
        names."""
        return line

    def close(self) -> None:  # noqa: B027  files are closed after each image
        """Release what is open. It may be used again."""
