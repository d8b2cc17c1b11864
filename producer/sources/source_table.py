"""The kinds of sources beside local files: a row for each, by name.

A job records which of its arguments are of which kind, so that they stay so when it is resumed.
"""

from __future__ import annotations

import os
import pkgutil
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from shared import installation
from shared.errors import SetupError

if TYPE_CHECKING:
    from producer.sources.source import Source

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
        return _of_scheme(typed)
    for row in SOURCES.values():
        if typed.lower().endswith(row.endings) and os.path.isfile(path):
            return row.name
    return LOCAL


def kind_of_line(line: bytes, path: bytes) -> str:
    """The kind of a line of a list."""
    return _of_scheme(line) if is_address(line, path) else LOCAL


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
    if not _ADDRESS.match(scheme + b"://") or os.path.lexists(b"/%s:" % scheme):
        return b""
    parts = (_ODD.get(part, part).replace(b"%25", b"%") for part in rest.split(b"/"))
    return b"%s://%s" % (scheme, b"/".join(parts))


def _of_scheme(address: bytes) -> str:
    scheme = address.partition(b":")[0].decode().lower()
    rows = (row.name for row in SOURCES.values() if scheme in row.schemes)
    return next(rows, LOCAL)
