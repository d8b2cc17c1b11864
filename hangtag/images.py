"""What a job classifies, from what Python gives: folders, archives and addresses, or a list."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import BinaryIO, NamedTuple, TypeAlias, cast

from producer.job.job_options import STDIN
from producer.sources.remote.address import shown_address
from producer.sources.source import LOCAL, is_address, kind_of
from shared.errors import UsageError

ImagePath: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"
Images: TypeAlias = "ImagePath | Iterable[ImagePath]"
#: Paths that are not roots are a list, which a job reads more than once.
_NUL = b"\0"
_ADDRESS_MARK = b"://"
#: An address may have a secret in its query, so that it is only taken from a list.
_WEB = (b"http://", b"https://")


class ImageList(NamedTuple):
    """The images of a job: roots, or a list."""

    roots: tuple[bytes, ...] = ()
    listed: BinaryIO | None = None  #: names that end with NUL
    digest: str = ""  #: of the list

    @property
    def list_file(self) -> bytes:
        return b"" if self.listed is None else STDIN


@contextmanager
def image_list(images: Images) -> Iterator[ImageList]:
    """The images of a job; a list is in a file without a name until the end of the block.

    Raises:
        UsageError: there is none, or one is no path.
    """
    if isinstance(images, str | bytes | os.PathLike):
        path = encoded(images)
        if not path.lower().startswith(_WEB):
            yield ImageList((path,))
            return
        images = [images]
    paths = _encoded_all(images)
    first = next(paths, None)
    if first is None:
        raise UsageError("images is empty; give a folder, or one path or more")
    paths = chain([first], paths)
    if _has_images(first):
        yield ImageList(_roots(paths))
        return
    with tempfile.TemporaryFile() as listed:
        file = cast(BinaryIO, listed)
        yield ImageList(listed=file, digest=_write(paths, file))


def encoded(path: object) -> bytes:
    """A path as the system has it. Raises UsageError for what is none."""
    if not isinstance(path, str | bytes | os.PathLike):
        raise UsageError(
            f"images has {path!r:.80}, which is no path; give str, bytes or os.PathLike"
        )
    try:
        name = os.fsencode(path)
    except UnicodeEncodeError:  # without the path, which may have a secret
        raise UsageError("images has a path with half of a character; leave it out") from None
    if _NUL in name:
        raise UsageError(f"images has {_shown(name)!r:.80}, and no path has a NUL; leave it out")
    return name


def _encoded_all(images: object) -> Iterator[bytes]:
    if not isinstance(images, Iterable):
        raise UsageError(f"images is {images!r:.80}; give a folder, or a list of paths")
    return map(encoded, images)


def _has_images(path: bytes) -> bool:
    """Whether this is a folder, an archive, or a bucket whose address ends with a slash."""
    if is_address(path, path):
        return path.endswith(b"/")
    return os.path.isdir(path) or kind_of(path, path) != LOCAL


def _roots(paths: Iterator[bytes]) -> tuple[bytes, ...]:
    """Folders, archives and buckets, of which all images are classified."""
    roots = tuple(paths)
    for root in roots:
        if not _has_images(root):
            raise UsageError(
                f"images starts with a folder or an archive, and has {_shown(root)!r:.80}, "
                "which is none; give folders and archives, or images"
            )
    return roots


def _shown(path: bytes) -> str:
    """A path for a message; an address without what may be secret."""
    return shown_address(path) if _ADDRESS_MARK in path else os.fsdecode(path)


def _write(paths: Iterator[bytes], listed: BinaryIO) -> str:
    digest = hashlib.sha256()
    for path in paths:
        if not path:
            raise UsageError("images has an empty path; leave it out")
        name = path + _NUL
        digest.update(name)
        listed.write(name)
    listed.seek(0)
    return digest.hexdigest()
