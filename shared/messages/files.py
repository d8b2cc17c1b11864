"""A reference: a file that a worker opens itself, instead of its bytes.

It names the file below a root, which each side has for itself (HANGTAG_ROOT), and says what the
producer saw there. A worker that finds anything else gives the batch back, and its bytes are sent.
"""

from __future__ import annotations

import os
import re
import zlib
from struct import Struct
from typing import NamedTuple

from shared.errors import BadMessage
from shared.image_status import Status

#: Whether pictures travel as bytes, or as references.
INLINE, PATH = "inline", "path"
TRANSPORTS = (INLINE, PATH)
#: As many as the system takes in one call, but for the NUL.
MAX_PATH_BYTES = 4095
#: How a worker begins its reason when it cannot have a file that was referred to.
UNSEEN = "a worker cannot have the files that --transport path names"
#: A date after 2262 does not fit into 64 bits; it only has to be told from others.
_MTIME_MASK = (1 << 63) - 1
STAMP = Struct("<qq")  #: as a reference and the journal keep it
#: NUL, or a part that is empty, `.` or `..`: an absolute path, too.
_ODD = re.compile(rb"\0|(?:\A|/)\.{0,2}(?:/|\Z)")

#: Size in bytes and modification time in ns.
Stamp = tuple[int, int]


def stamp(info: os.stat_result) -> Stamp:
    """What tells whether a file is still the same."""
    return info.st_size, info.st_mtime_ns & _MTIME_MASK


def read_whole(fd: int, size: int) -> bytes:
    """The `size` bytes of a file; fewer, or one more, if that is not its size. Raises OSError."""
    # One byte more than expected shows the end; asking for a megabyte would allocate it.
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
    """What `pack` made, of a file of at most `max_bytes`. Raises BadMessage."""
    if len(data) <= STAMP.size:
        raise BadMessage("a reference to a file is cut short")
    size, mtime_ns = STAMP.unpack_from(data)
    path = data[STAMP.size :]
    if not (0 <= size <= max_bytes and mtime_ns >= 0):
        raise BadMessage("a reference to a file has a size or a time that none can have")
    if not fits(path):
        raise BadMessage(f"a reference does not name a file below a root: {path[:80]!r}")
    return Reference(path, (size, mtime_ns))


def printable(path: bytes | os.PathLike[str]) -> str:
    """A path for a person: one line, whatever its bytes."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return text if text.isprintable() and text else ascii(text)


def fits(path: bytes) -> bool:
    """Whether a path can be in a reference."""
    return len(path) <= MAX_PATH_BYTES and _ODD.search(path) is None


#: A digest finds every accident. It costs a twentieth of reading a small file, where a SHA-256
#: costs a seventh.
DIGEST_BYTES = 4
NO_DIGEST = bytes(DIGEST_BYTES)


def digest(content: bytes | Status) -> bytes:
    """CRC-32 of a file's bytes, little-endian; zeros where there are none."""
    if not isinstance(content, bytes):
        return NO_DIGEST
    return zlib.crc32(content).to_bytes(DIGEST_BYTES, "little")


def filled(known: bytes, told: bytes) -> bytes:
    """Digests of the same files: those that are known, and for the others what was told.

    A file that one reader could not have the next one may: only together they know all.
    """
    if not known:
        return told
    if len(known) != len(told):
        return known
    each = (slice(i, i + DIGEST_BYTES) for i in range(0, len(known), DIGEST_BYTES))
    return b"".join(told[one] if known[one] == NO_DIGEST else known[one] for one in each)


#: Compared with the name's bytes in lower case.
IMAGE_SUFFIXES = (b".jpg", b".jpeg", b".png", b".webp", b".bmp", b".gif", b".tif", b".tiff")

#: Of what is not there.
NO_STAMP: Stamp = (-1, -1)
