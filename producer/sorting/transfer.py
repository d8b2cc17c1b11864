"""Brings one file from a spot to another: copies it, or removes what was copied.

Nothing is ever written over, and a name is removed only after it was shown to stand for the file
that was meant: the file is renamed first, and put back if it is another one.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from producer.sort_log.log import ClassifiedContent
from producer.sorting.folders import (
    CHANGED,
    MISSING,
    FileStays,
    Identity,
    Spot,
    check,
    chunks,
    content_of,
    identity,
    identity_at,
    link,
    numbered,
    opened,
    rename,
    same_bytes,
    same_file,
)
from shared import atomic_file
from shared.errors import SetupError, UsageError
from shared.failpoints import failpoint
from shared.messages.files import printable

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
#: What a hard link fails with on a file system, or between two, that cannot have it.
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.ENOTSUP}


def copy(old: Spot, new: Spot, part: Spot, wanted: ClassifiedContent | None) -> Identity:
    """Copy a file that contains `wanted`, or anything if that is None; returns what was copied.

    `part` is written, synced, read again and renamed, so `new` is complete or absent.

    Raises:
        FileStays: the file is missing, or contains something else.
        FileExistsError: there is something at `new`.
        OSError: the disk is full, or a file cannot be read or written.
    """
    with opened(old) as source:
        before = os.fstat(source)
        with _new_file(part, new, 0o600) as fd:
            _fill(source, fd, before)
            content = content_of(source) if wanted is None else wanted
            check(fd, content)
            if identity(os.fstat(source)) != identity(before):
                raise FileStays(CHANGED)
    return identity(before)


def make_file(data: bytes, new: Spot, part: Spot, wanted: ClassifiedContent) -> None:
    """Make a file of an image that was in none, and contains `wanted`. `part` and what is raised
    are as in `copy`."""
    with _new_file(part, new, 0o666) as fd:
        _write(fd, data)
        os.fsync(fd)
        check(fd, wanted)


@contextmanager
def _new_file(part: Spot, new: Spot, mode: int) -> Iterator[int]:
    """A new file, to be filled and synced, which then gets its name."""
    unlink(part)  # of an earlier attempt
    fd = os.open(part.name, _CREATE, mode, dir_fd=part.folder)
    try:
        yield fd
        failpoint("sort.part-written")
        rename(part, new)
    except BaseException:
        with suppress(OSError):
            unlink(part)
        raise
    finally:
        os.close(fd)
    failpoint("sort.copied")


def _fill(source: int, fd: int, info: os.stat_result) -> None:
    """Copy content, owner, permissions, times and extended attributes, and sync them."""
    for chunk in chunks(source):
        _write(fd, chunk)
    with suppress(OSError):  # only root may set another owner
        os.fchown(fd, info.st_uid, info.st_gid)
    _copy_attributes(source, fd)  # while the file may be written
    os.fchmod(fd, info.st_mode & 0o777)
    _copy_attributes(source, fd)  # again: the mode changes access control lists
    os.utime(fd, ns=(info.st_atime_ns, info.st_mtime_ns))
    os.fsync(fd)


def _write(fd: int, data: bytes) -> None:
    atomic_file.write_all(fd, data)
    failpoint("sort.part-begun")


def _copy_attributes(source: int, fd: int) -> None:
    """As far as the file system has them, and this user may set them."""
    if not hasattr(os, "listxattr"):
        return
    with suppress(OSError):
        for name in os.listxattr(source):
            with suppress(OSError):
                os.setxattr(fd, name, os.getxattr(source, name))


def move(old: Spot, new: Spot, wanted: ClassifiedContent | None) -> bool:
    """Rename a file that contains `wanted`, or anything if that is None. Returns False, and has
    done nothing, if `new` is on another file system.

    Raises:
        FileStays: the file is missing, or contains something else, or was changed or replaced
            meanwhile and is back at `old`.
        FileExistsError: there is something at `new`.
        OSError: it cannot be renamed.
    """
    with opened(old) as fd:
        before = identity(os.fstat(fd))
        if wanted is not None:
            check(fd, wanted)
        try:
            rename(old, new)
        except OSError as error:
            if error.errno == errno.EXDEV:
                return False
            raise
        failpoint("sort.moved")
    if wanted is not None and identity_at(new) != before:
        put_back(new, old)
        raise FileStays(CHANGED)
    return True


def make_link(old: Spot, new: Spot, wanted: ClassifiedContent, path: str) -> None:
    """Make a hard link to a file that contains `wanted`; `path` names the file in errors.

    Raises:
        UsageError: no other file could get a link in that folder either.
        FileStays: the file is missing, contains something else, or was replaced meanwhile.
        FileExistsError: there is something at `new`.
        OSError: it cannot be made.
    """
    with opened(old) as fd:
        before = os.fstat(fd)
        check(fd, wanted)
        try:
            link(old, new)
        except OSError as error:
            # Linux refuses a link to another user's file, which says nothing of the next one.
            if error.errno in _NO_LINK and before.st_uid == os.geteuid():
                raise no_links(path) from error
            raise
        if identity_at(new) != identity(before):
            unlink(new)
            raise FileStays(CHANGED)


def no_links(path: str) -> UsageError:
    """The error where there can be no hard links."""
    return UsageError(
        f"there can be no hard link to {path} in that folder, which is on another file system or "
        "one without hard links; use --copy"
    )


def remove(spot: Spot, wanted: Identity | ClassifiedContent | Spot, name: bytes) -> None:
    """Remove a file that was copied elsewhere: the one with this identity or content, or the one
    that is equal to another file, byte for byte. It is renamed to `name` first, so that no file is
    removed that takes its own name between the check and the removal.

    Raises:
        FileStays: it is another file, which has its name again.
        OSError: it cannot be removed.
    """
    aside = Spot(spot.folder, name)
    try:
        rename(spot, aside)
    except FileNotFoundError:
        raise FileStays(MISSING) from None
    failpoint("sort.aside")
    with _stopping(aside):
        if not _is_same_file(aside, wanted):
            put_back(aside, spot)
            raise FileStays(CHANGED)
        unlink(aside)


def _is_same_file(spot: Spot, wanted: Identity | ClassifiedContent | Spot) -> bool:
    if isinstance(wanted, Spot):
        return same_bytes(spot, wanted)
    try:
        with opened(spot) as fd:
            if isinstance(wanted, ClassifiedContent):
                return content_of(fd) == wanted
            return identity(os.fstat(fd)) == wanted
    except FileStays:
        return False


def put_back(spot: Spot, name: Spot) -> None:
    """Rename a file to its name, or to that with a number if it is taken.

    Raises:
        SetupError: it cannot be renamed; the log knows of it.
    """
    if same_file(spot, name):  # a rename by `link` and `unlink` ended in between
        unlink(spot)
        return
    number, free = 1, name
    while True:
        try:
            with _stopping(spot):
                rename(spot, free)
        except FileExistsError:
            number += 1
            free = name._replace(name=numbered(name.name, number))
        else:
            failpoint("sort.put-back")
            return


@contextmanager
def _stopping(spot: Spot) -> Iterator[None]:
    """End the command where a file is between two names."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise stopped(printable(spot.name), error) from error


def stopped(path: str, error: OSError) -> SetupError:
    """What ends a command that the next file would end, too."""
    return SetupError(
        f"{path}: {error.strerror}; no file is lost: fix this and run the same command again"
    )


def unlink(spot: Spot) -> None:
    """Remove a name, if it exists. Raises OSError."""
    if spot.stat() is not None:  # on a read-only disk `unlink` fails also without a file
        os.unlink(spot.name, dir_fd=spot.folder)
        failpoint("sort.unlinked")
