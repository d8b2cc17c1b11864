"""A reference: a file that a worker opens itself, instead of its bytes.

It names the file below a root, which each side configures (HANGTAG_ROOT), and holds the size and
time that the producer saw. If a worker finds others, it releases the batch and gets the bytes.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Sequence
from itertools import chain
from struct import Struct
from typing import NamedTuple

from shared.errors import BadMessage
from shared.image_status import Status

#: Images are sent as bytes, or as references; `auto`: large ones as references on one machine.
AUTO, INLINE, PATH = "auto", "inline", "path"
TRANSPORTS = (AUTO, INLINE, PATH)
#: The kernel's PATH_MAX without the NUL.
MAX_PATH_BYTES = 4095
#: The start of a worker's reason if it cannot open a file that was referred to.
UNSEEN = "a worker cannot open the files of a batch"
#: A date after 2262 does not fit into 64 bits; a masked one still shows a change.
_MTIME_MASK = (1 << 63) - 1
STAMP = Struct("<qq")  #: the encoding in references and in the journal
#: NUL, or a component that is empty, `.` or `..`; matches an absolute path, too.
_ODD = re.compile(rb"\0|(?:\A|/)\.{0,2}(?:/|\Z)")

#: Size in bytes and modification time in ns.
Stamp = tuple[int, int]


def stamp(info: os.stat_result) -> Stamp:
    """The size and time that show whether a file has changed."""
    return info.st_size, info.st_mtime_ns & _MTIME_MASK


def pack_stamps(stamps: Sequence[Stamp]) -> bytes:
    """Stamps, one after the other."""
    return struct.pack(f"<{2 * len(stamps)}q", *chain.from_iterable(stamps))


def read_whole(fd: int, size: int) -> bytes:
    """The `size` bytes of a file; fewer, or one more, if its size differs. Raises OSError."""
    # One byte more than expected detects the end without a large allocation.
    content = os.read(fd, size + 1)
    while len(content) < size and (more := os.read(fd, size + 1 - len(content))):
        content += more
    return content


class Reference(NamedTuple):
    """A file below the root, and the stamp that the producer saw."""

    path: bytes  #: relative, no `..`; any bytes but NUL
    stamp: Stamp

    def pack(self) -> bytes:
        """Size and time, two little-endian i64, and the path."""
        return STAMP.pack(*self.stamp) + self.path


def unpack(data: bytes, max_bytes: int) -> Reference:
    """The reference in `data`, to a file of at most `max_bytes`. Raises BadMessage."""
    if len(data) <= STAMP.size:
        raise BadMessage("a reference to a file is truncated")
    size, mtime_ns = STAMP.unpack_from(data)
    path = data[STAMP.size :]
    if not (0 <= size <= max_bytes and mtime_ns >= 0):
        raise BadMessage("a reference to a file has an invalid size or time")
    if not fits(path):
        raise BadMessage(f"a reference does not name a file below a root: {path[:80]!r}")
    return Reference(path, (size, mtime_ns))


def printable(path: bytes | os.PathLike[str]) -> str:
    """A path for display: one printable line for any bytes."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return text if text.isprintable() and text else ascii(text)


def fits(path: bytes) -> bool:
    """Whether a path can be in a reference."""
    return len(path) <= MAX_PATH_BYTES and _ODD.search(path) is None


#: CRC-32 detects accidental changes. It takes a twentieth of the time to read a small file, SHA-256
#: a seventh.
DIGEST_BYTES = 4
NO_DIGEST = bytes(DIGEST_BYTES)


def digest(content: bytes | Status) -> bytes:
    """CRC-32 of a file's bytes, little-endian; zeros where there are none."""
    if not isinstance(content, bytes):
        return NO_DIGEST
    return zlib.crc32(content).to_bytes(DIGEST_BYTES, "little")


def digests(contents: Sequence[bytes | Status]) -> bytes:
    """The digests of files, one after the other."""
    each = (zlib.crc32(file) if isinstance(file, bytes) else 0 for file in contents)
    return struct.pack(f"<{len(contents)}I", *each)


def filled(known: bytes, reported: bytes) -> bytes:
    """Digests of the same files: the known ones, and the reported ones for the others.

    A file that one reader cannot open another may; only together they know all digests.
    """
    if not known:
        return reported
    if len(known) != len(reported):
        return known
    each = (slice(i, i + DIGEST_BYTES) for i in range(0, len(known), DIGEST_BYTES))
    return b"".join(
        reported[place] if known[place] == NO_DIGEST else known[place] for place in each
    )


#: The stamp of a missing file.
NO_STAMP: Stamp = (-1, -1)
