"""Where images are: what each kind of source does, and a row for each kind beside local files.

A job records which of its arguments are of which kind, so that they stay so when it is resumed.

A **source** has the images of one argument of a job, or of the addresses in its list. All of it is
lazy, bounded in memory and restartable. The name of an image is a path that starts with what was
typed: `photos/a.jpg`, `photos.zip/a.jpg`, `s3://bucket/a.jpg`. It has no password and no query,
since it is in the table, the journal and in messages.
"""

from __future__ import annotations

import os
import pkgutil
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, NamedTuple

from shared import installation
from shared.errors import SetupError
from shared.image_status import Status
from shared.messages.files import Stamp

if TYPE_CHECKING:
    from producer.job.job_options import JobOptions
    from producer.sources.job_sources import Walk
    from shared.stop import Waits


#: The kind of folders and files.
LOCAL = ""
#: The kind of folders whose archives are opened, which a job asks for.
ARCHIVES_FOLDER = "archives"
#: The endings of archives, in lower case. The bytes do not decide: an image may have any.
ENDINGS = (b".zip", b".tar", b".tar.gz", b".tgz")
_HERE = "producer.sources"
_ADDRESS = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*)://")
#: Parts of an address that a plain path has not, and what stands for them.
_PLAIN = {b"": b"%", b".": b"%2E", b"..": b"%2E%2E"}
_ODD = {plain: odd for odd, plain in _PLAIN.items()}


class SourceRow(NamedTuple):
    """A kind of source, of which nothing is imported until it is needed."""

    name: str  #: as jobs record it
    kind: str  #: its module and class
    #: The schemes of its addresses, and the endings of its files, in lower case.
    schemes: Sequence[str] = ()
    endings: tuple[bytes, ...] = ()
    #: Import names and pip's names of what it needs, which an extra of Hangtag installs.
    packages: Mapping[str, str] = {}
    extra: str = ""


_ROWS: tuple[SourceRow, ...] = (
    SourceRow(
        "s3",
        f"{_HERE}.remote.s3_source:S3Source",
        schemes=("s3",),
        packages=installation.OBJECT_STORE_PACKAGES,
        extra="remote",
    ),
    SourceRow(
        "https",
        f"{_HERE}.remote.web_source:WebSource",
        schemes=("https", "http"),
        packages=installation.WEB_PACKAGES,
        extra="remote",
    ),
    SourceRow(ARCHIVES_FOLDER, f"{_HERE}.archives.archive_source:ArchivesFolder"),
    SourceRow("archive", f"{_HERE}.archives.archive_source:ArchiveSource", endings=ENDINGS),
)
SOURCES = {row.name: row for row in _ROWS}


def row_of(kind: str) -> SourceRow:
    """A kind by its name. Raises SetupError for one that only a newer Hangtag has."""
    if kind not in SOURCES:
        raise SetupError(f"this Hangtag reads no images from {kind!r:.40}; update it")
    return SOURCES[kind]


def loaded(kind: str) -> type[Source]:
    """The class of a kind. Raises SetupError if it needs what is not installed."""
    row = row_of(kind)
    if lack := installation.missing(row.packages, row.extra):
        raise SetupError(f"images from {kind}: {lack}")
    found: type[Source] = pkgutil.resolve_name(row.kind)
    return found


def kind_of(typed: bytes, path: bytes) -> str:
    """The kind of an argument, whose path would be `path`."""
    if is_address(typed, path):
        return _kind_of_scheme(typed)
    for row in SOURCES.values():
        if typed.lower().endswith(row.endings) and os.path.isfile(path):
            return row.name
    return LOCAL


def kind_of_line(line: bytes, path: bytes) -> str:
    """The kind of a line of a list."""
    return _kind_of_scheme(line) if is_address(line, path) else LOCAL


def is_archive(path: bytes) -> bool:
    """Whether a file's name is that of an archive that Hangtag reads."""
    return path.lower().endswith(ENDINGS)


def is_address(typed: bytes, path: bytes) -> bool:
    """Whether this is an address, and not the path of a file."""
    return _ADDRESS.match(typed) is not None and not os.path.lexists(path)


def path_of_address(address: bytes) -> bytes:
    """A plain absolute path that stands for an address, where a log has those of files."""
    scheme, _, rest = address.partition(b"://")
    parts = (part.replace(b"%", b"%25") for part in rest.split(b"/"))
    return b"/%s:/%s" % (scheme, b"/".join(_PLAIN.get(part, part) for part in parts))


def address_of_path(path: bytes) -> bytes:
    """The inverse of `path_of_address`; empty for the path of a file."""
    scheme, _, rest = path[1:].partition(b":/")
    if not _ADDRESS.match(scheme + b"://"):
        return b""
    parts = (_ODD.get(part, part).replace(b"%25", b"%") for part in rest.split(b"/"))
    return b"%s://%s" % (scheme, b"/".join(parts))


def _kind_of_scheme(address: bytes) -> str:
    scheme = address.partition(b":")[0].decode().lower()
    rows = (row.name for row in SOURCES.values() if scheme in row.schemes)
    return next(rows, LOCAL)


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
        self.prefix = typed.rstrip(b"/") + b"/"  #: of the names of what lies within it

    @property
    def identity(self) -> bytes:
        """Its place, with a slash: that of what lies within it starts so, however it is typed."""
        return self.prefix

    @abstractmethod
    def check(self, is_new: bool) -> None:
        """Check before work starts that it can be listed; `is_new` unless the job has started.

        Raises:
            UsageError: the argument is wrong.
            SetupError: it cannot be reached.
        """

    def holds(self, name: bytes) -> bool:
        """Whether this is the name of one of its images."""
        return name.startswith(self.prefix)

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
        return b"" if self.is_sorted else self.prefix

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
        """Whether `read` calls the image missing, and not unreadable."""
        return self.read_small(name, 0, self.options.max_file_bytes)[0] is Status.MISSING

    def local_path(self, name: bytes) -> bytes | None:
        """The absolute path of the file of an image; None if it is in no file of its own."""
        return None

    def announce(  # noqa: B027  most do not read ahead
        self, names: Sequence[bytes], stamps: bool = False
    ) -> None:
        """Start to fetch these, or their stamps alone, which are read next, in this order. The
        bytes that are held are bounded, so the last ones may wait. Some may never be read."""

    def is_ready(self, name: bytes, seconds: float) -> bool:
        """Whether `read` would return at once after a wait of this time at most. A job that reads
        ahead does something else meanwhile."""
        return True

    def row_name(self, line: bytes, number: int) -> bytes:
        """The name of the image that this line of a list names, without secrets. Two lines have two
        names."""
        return line

    def close(self) -> None:  # noqa: B027  files are closed after each image
        """Release what is open. It may be used again."""
