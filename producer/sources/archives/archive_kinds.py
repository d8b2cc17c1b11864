"""The kinds of archives, by the endings of their names: a row for each. The bytes do not decide,
since an image may have any."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from producer.sources.archives.archive import Archive


class ArchiveKind(NamedTuple):
    """A kind of archive, of which nothing is imported until it is needed."""

    endings: tuple[bytes, ...]  #: in lower case
    load: Callable[[], type[Archive]]
    #: Whether its members come in the archive's order, and not in that of their names.
    in_own_order: bool = False


def _zip() -> type[Archive]:
    from producer.sources.archives.zip_archive import ZipArchive

    return ZipArchive


def _tar() -> type[Archive]:
    from producer.sources.archives.tar_archive import TarArchive

    return TarArchive


def _gzip() -> type[Archive]:
    from producer.sources.archives.gzip_archive import GzipArchive

    return GzipArchive


_KINDS = (
    ArchiveKind((b".zip",), _zip),
    ArchiveKind((b".tar",), _tar),
    ArchiveKind((b".tar.gz", b".tgz"), _gzip, in_own_order=True),
)
ENDINGS = tuple(ending for kind in _KINDS for ending in kind.endings)


def is_archive(path: bytes) -> bool:
    """Whether a file's name is that of an archive that Hangtag reads."""
    return path.lower().endswith(ENDINGS)


def archive_kind(path: bytes) -> ArchiveKind:
    name = path.lower()
    return next(kind for kind in _KINDS if name.endswith(kind.endings))
