"""Archives that are damaged, lie, or attack their reader, by name; each says what comes of it."""

from __future__ import annotations

import functools
import gzip
import io
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from typing import NamedTuple

GIB = 1 << 30
_CENTRAL, _LOCAL, _END = b"PK\1\2", b"PK\3\4", b"PK\5\6"
#: Where an entry of the directory has its flags, method, sizes, bytes of the name, and header.
FLAGS, METHOD, PACKED, SIZE, NAME_BYTES, HEADER = 8, 10, 20, 24, 28, 42


@functools.cache
def made(name: str, image: bytes) -> bytes:
    """The archive of this name."""
    return HOSTILE[name].make(image)


class Hostile(NamedTuple):
    """An archive that an attack or a fault has made."""

    ending: str
    make: Callable[[bytes], bytes]  #: from the bytes of an image
    good: int  #: the rows with the image's bytes
    failed: int = 0  #: the rows without
    skipped: int = 0  #: the members that are counted, and have no row
    complete: bool = True  #: whether no further member may be lost
    refused: str = ""  #: why there is nothing to read


def zipped(
    *members: tuple[str, bytes], method: int = zipfile.ZIP_STORED, comment: bytes = b""
) -> bytes:
    """A zip archive, written by Python."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name is there already
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            archive.writestr(info, data)
        archive.comment = comment
    return file.getvalue()


def gzipped(data: bytes) -> bytes:
    """The data, compressed by gzip."""
    return gzip.compress(data, 1, mtime=0)


def tarred(*members: tuple[str, bytes], form: int = tarfile.PAX_FORMAT, **fields: object) -> bytes:
    """A tar archive, written by Python; the fields are those of the last member."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for number, (name, data) in enumerate(members, 1):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if number == len(members):
                for field, value in fields.items():
                    setattr(info, field, value)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def patched(archive: bytes, number: int, field: int, value: bytes) -> bytes:
    """A zip archive with other bytes in a field of one entry of its directory."""
    at = -1
    for _ in range(number):
        at = archive.index(_CENTRAL, at + 1)
    return archive[: at + field] + value + archive[at + field + len(value) :]


def block(
    name: bytes, size: int | bytes, kind: bytes = b"0", magic: bytes = b"ustar\x0000"
) -> bytes:
    """One header of a tar archive. A size of bytes is written as it is."""
    digits = size if isinstance(size, bytes) else b"%011o\0" % size
    fields = [
        name.ljust(100, b"\0"),
        b"0000644\0",
        b"0000000\0",
        b"0000000\0",
        digits.ljust(12, b"\0"),
    ]
    head = b"".join([*fields, b"14000000000\0", b" " * 8, kind, bytes(100), magic]).ljust(
        512, b"\0"
    )
    return head[:148] + b"%06o\0 " % sum(head) + head[156:]


def padded(data: bytes) -> bytes:
    """Data in whole blocks of a tar archive."""
    return data + bytes(-len(data) % 512)


def flipped(data: bytes, at: int) -> bytes:
    """The data with one bit changed."""
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


def _first(image: bytes) -> bytes:
    """The start of a tar archive: its first member."""
    return padded(tarred(("a.png", image))[: 512 + len(image)])


def _two(image: bytes) -> bytes:
    return zipped(("a.png", image), ("b.png", image))


def _two_tarred(image: bytes) -> bytes:
    return tarred(("a.png", image), ("b.png", image))


def _flip_in_first(image: bytes) -> bytes:
    archive = _two(image)
    return flipped(archive, archive.index(image) + len(image) // 2)


def _overlapping(image: bytes) -> bytes:
    """Many members that share the data of one, as in the bombs of David Fifield."""
    whole = zipped(("a.png", image))
    start = whole.index(_CENTRAL)
    end = whole.index(_END)
    entry = whole[start:end]
    directory = entry * 3
    tail = struct.pack("<4s4H2LH", _END, 0, 0, 3, 3, len(directory), start, 0)
    return whole[:start] + directory + tail


def _quoted(image: bytes) -> bytes:
    """The data of the first member reach over the header of the second."""
    archive = _two(image)
    longer = struct.pack("<L", len(image) + 60)
    return patched(patched(archive, 1, PACKED, longer), 1, SIZE, longer)


def _zeros(count: int, level: int = 9) -> bytes:
    """Zeros, compressed by Deflate."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(bytes(count)) + packer.flush()


def _zip_of_zeros(image: bytes, claimed: int, data: bytes) -> bytes:
    """A member of zeros that claims another size than its data have, before a good one."""
    name, good = b"a.png", zipped(("b.png", image))
    crc = zlib.crc32(bytes(min(claimed, 1 << 20)))
    numbers = (20, 0, 8, 0, 0, crc, len(data), min(claimed, 0xFFFFFFFF), len(name))
    local = _LOCAL + struct.pack("<5H3L2H", *numbers, 0) + name + data
    entry = _CENTRAL + struct.pack("<6H3L5H2L", 20, *numbers, 0, 0, 0, 0, 0, 0) + name
    start, end = good.index(_CENTRAL), good.index(_END)
    second = patched(good, 1, HEADER, struct.pack("<L", len(local)))[start:end]
    directory = entry + second
    body = local + good[:start]
    tail = struct.pack("<4s4H2LH", _END, 0, 0, 2, 2, len(directory), len(body), 0)
    return body + directory + tail


def _gzip_zeros(count: int) -> bytes:
    """A tar archive whose first member has this number of zeros, compressed in pieces."""
    piece = gzip.compress(bytes(1 << 24), 9, mtime=0)
    return gzip.compress(block(b"a.png", b"\x80" + count.to_bytes(11, "big"))) + piece * (
        count >> 24
    )


def _extended(kind: bytes, size: int, image: bytes) -> bytes:
    header = block(b"././@LongLink", b"\x80" + size.to_bytes(11, "big"), kind)
    return _first(image) + header + bytes(1 << 25)


def _chain(image: bytes) -> bytes:
    """Thousands of long names for one member."""
    long_name = block(b"././@LongLink", 5, b"L") + padded(b"x.png")
    return _first(image) + long_name * 5_000


def _sparse(image: bytes) -> bytes:
    """Two sparse files, the second with further maps, and another."""
    files = b""
    for name, maps in ((b"s.png", b""), (b"t.png", bytes(504) + b"\1" + bytes(7 + 512))):
        header = bytearray(block(name, len(image), b"S", b"ustar  \0"))
        header[482] = bool(maps)
        header[483:495] = b"%011o\0" % (1 << 32)  # its size with the holes
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        files += bytes(header) + maps + padded(image)
    return files + tarred(("b.png", image))


def _pax_sparse(image: bytes) -> bytes:
    return tarred(("b.png", image), ("s.png", b"1\n0\n100\n".ljust(512, b"\0") + image),
                  pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0"})  # fmt: skip


def _nested(image: bytes) -> bytes:
    inner = zipped(("a.png", image))
    for _ in range(5):
        inner = zipped(("inner.zip", inner))
    return zipped(("a.png", image), ("inner.zip", inner), ("inner.tar.gz", inner))


def _far_header(image: bytes, prefix: bytes = b"") -> bytes:
    """A zip archive whose second entry has its header at the end of 64 bits."""
    archive = _two(image)
    entry = archive.rindex(_CENTRAL)
    end = archive.index(_END)
    extra = struct.pack("<2HQ", 1, 8, (1 << 64) - 2)
    far = patched(archive, 2, HEADER, b"\xff" * 4)[entry:end]
    far = far[:30] + struct.pack("<H", len(extra)) + far[32:] + extra
    length = len(far) + entry - archive.index(_CENTRAL)
    tail = archive[end : end + 12] + struct.pack("<L", length) + archive[end + 16 :]
    return prefix + archive[:entry] + far + tail


def _links(image: bytes) -> bytes:
    link = tarred(("b.png", b""), type=tarfile.SYMTYPE, linkname="/etc/passwd")[:512]
    return link + tarred(("a.png", image))


def _linked(image: bytes) -> bytes:
    """An image, and hard links to what is outside, missing, a folder, a link, itself, or later."""
    targets = ("../../etc/passwd", "/etc/passwd", "none.png", "folder", "0.png", "5.png", "z.png")
    links = [
        tarred((f"{number}.png", b""), type=tarfile.LNKTYPE, linkname=target)[:512]
        for number, target in enumerate(targets)
    ]
    folder = tarred(("folder", b""), type=tarfile.DIRTYPE)[:512]
    return folder + b"".join(links) + tarred(("z.png", image))


NO_ZIP, NO_TAR = "it is no zip archive, or its end is missing", "it is no tar archive"
ODD = ("/etc/a.png", "../a.png", "a/../../b.png", "..")
HOSTILE: dict[str, Hostile] = {
    # Not what its name says
    "a text called zip": Hostile(".zip", lambda image: b"no archive\n" * 99, 0, refused=NO_ZIP),
    "an empty file called zip": Hostile(".zip", lambda image: b"", 0, refused=NO_ZIP),
    "an image called tar": Hostile(".tar", lambda image: image * 100, 0, refused=NO_TAR),
    "an empty file called tar": Hostile(".tar", lambda image: b"", 0, refused=NO_TAR),
    "a text called tar.gz": Hostile(
        ".tar.gz", lambda image: b"no gzip\n" * 99, 0, refused="its compressed data are damaged"
    ),
    "a compressed text": Hostile(
        ".tar.gz", lambda image: gzip.compress(b"no tar\n" * 99), 0, refused=NO_TAR
    ),
    # Cut off and damaged
    "a zip without its end": Hostile(".zip", lambda image: _two(image)[:-30], 0, refused=NO_ZIP),
    "a zip of an end that refers to one before it": Hostile(
        ".zip", lambda image: _END + bytes(4) + b"\xff" * 12 + bytes(2), 0, refused=NO_ZIP
    ),
    "a zip in several parts": Hostile(
        ".zip",
        lambda image: _two(image)[:-18] + b"\1\0\1\0" + _two(image)[-14:],
        0,
        refused="it is one part of several; join them first",
    ),
    "a zip with a damaged directory": Hostile(
        ".zip", lambda image: patched(_two(image), 2, 0, b"PK?!"), 1, complete=False
    ),
    "a zip that counts other members": Hostile(
        ".zip", lambda image: _two(image)[:-14] + b"\xff" * 4 + _two(image)[-10:], 2, complete=False
    ),
    "a zip whose directory ends in a name": Hostile(
        ".zip", lambda image: patched(_two(image), 2, NAME_BYTES, b"\xff\xff"), 1, complete=False
    ),
    "a zip with a header in its last bytes": Hostile(
        ".zip",
        lambda image: patched(_two(image), 2, HEADER, struct.pack("<L", len(_two(image)) - 22)),
        1,
        failed=1,
    ),
    "a zip with a header beyond any file": Hostile(".zip", _far_header, 1, failed=1),
    "a zip behind a program with a header beyond any file": Hostile(
        ".zip", lambda image: _far_header(image, b"program"), 1, failed=1
    ),
    "a tar with a member larger than any file": Hostile(
        ".tar",
        lambda image: _first(image) + block(b"b.png", b"\x80" + (1 << 80).to_bytes(11, "big")),
        1,
        failed=1,
        complete=False,
    ),
    "a zip with one bit changed": Hostile(".zip", _flip_in_first, 1, failed=1),
    "a zip with a header overwritten": Hostile(
        ".zip", lambda image: b"PK?!" + _two(image)[4:], 1, failed=1
    ),
    "a zip with another name in a header": Hostile(
        ".zip", lambda image: _two(image).replace(b"b.png", b"c.png", 1), 1, failed=1
    ),
    "a tar that is cut off in a member": Hostile(
        ".tar",
        lambda image: _two_tarred(image)[: 1024 + len(padded(image)) + 100],
        1,
        1,
        complete=False,
    ),
    "a tar that is cut off between members": Hostile(
        ".tar", lambda image: _two_tarred(image)[: 512 + len(padded(image))], 1, complete=False
    ),
    "a tar with a damaged header": Hostile(
        ".tar",
        lambda image: flipped(_two_tarred(image), 512 + len(padded(image))),
        1,
        complete=False,
    ),
    "a tar.gz that is cut off": Hostile(
        ".tar.gz",
        lambda image: gzip.compress(_two_tarred(image), 0)[: 1200 + len(padded(image))],
        1,
        1,
        complete=False,
    ),
    "a tar.gz with another checksum": Hostile(
        ".tar.gz", lambda image: flipped(gzip.compress(_two_tarred(image)), -8), 2, complete=False
    ),
    # Names
    "a zip with odd names": Hostile(
        ".zip", lambda image: zipped(*((name, image) for name in (*ODD, "a.png"))), 1, 4
    ),
    "a tar with odd names": Hostile(
        ".tar", lambda image: tarred(*((name, image) for name in (*ODD, "a.png"))), 1, 4
    ),
    "a tar.gz with odd names": Hostile(
        ".tar.gz",
        lambda image: gzip.compress(tarred(*((name, image) for name in (*ODD, "a.png")))),
        1,
        4,
    ),
    "a zip with a name three times": Hostile(
        ".zip", lambda image: zipped(*[("a.png", image)] * 3), 1, 2
    ),
    "a tar.gz with a name three times": Hostile(
        ".tar.gz", lambda image: gzip.compress(tarred(*[("./a.png", image)] * 3)), 1, 2
    ),
    "a zip with a name of 60,000 bytes": Hostile(
        ".zip", lambda image: zipped(("a" * 60_000 + ".png", image), ("b.png", image)), 1, 1
    ),
    "a zip with a NUL in a name": Hostile(
        ".zip",
        lambda image: zipped(("aXb.png", image), ("b.png", image)).replace(b"aXb", b"a\0b"),
        1,
        1,
    ),
    "a zip with a name that is no UTF-8": Hostile(
        ".zip",
        lambda image: patched(
            zipped(("aXb.png", image)).replace(b"aXb", b"a\xffb"), 1, FLAGS, b"\0\x08"
        ),
        1,
    ),
    "a zip with a line end in a name": Hostile(
        ".zip", lambda image: zipped(("a\nb.png", image)), 1
    ),
    "a zip with backslashes": Hostile(".zip", lambda image: zipped((r"Bag\..\a.png", image)), 1),
    # What cannot be read
    "a zip with an encrypted member": Hostile(
        ".zip", lambda image: patched(_two(image), 1, FLAGS, b"\1\0"), 1, 1
    ),
    "a zip with a method of its own": Hostile(
        ".zip",
        lambda image: patched(
            zipped(("a.png", image), ("b.png", image), method=zipfile.ZIP_DEFLATED), 1, METHOD, b"c"
        ),
        1,
        1,
    ),
    "a zip compressed by bzip2": Hostile(
        ".zip", lambda image: zipped(("a.png", image), method=zipfile.ZIP_BZIP2), 0, 1
    ),
    "old sparse files": Hostile(".tar", _sparse, 1, 2),
    "a sparse file of PAX": Hostile(".tar", _pax_sparse, 1, 1),
    "links and devices": Hostile(".tar", _links, 1, skipped=1),
    "a tar of hard links without a file": Hostile(".tar", _linked, 1, 7),
    "a tar.gz of hard links without a file": Hostile(
        ".tar.gz", lambda image: gzip.compress(_linked(image)), 1, 7
    ),
    "archives in archives": Hostile(".zip", _nested, 1, skipped=2),
    # Bombs, and headers that lie
    "a zip with a member of 4 GiB": Hostile(
        ".zip", lambda image: _zip_of_zeros(image, 0xFFFFFFFE, _zeros(1 << 25)), 1, 1
    ),
    "a zip with a member larger than it claims": Hostile(
        ".zip", lambda image: _zip_of_zeros(image, 1000, _zeros(1 << 25)), 1, 1
    ),
    "a zip with a member a byte larger than it claims": Hostile(
        ".zip", lambda image: _zip_of_zeros(image, 1000, _zeros(1001)), 1, 1
    ),
    "a zip with a member in blocks that are larger than it claims": Hostile(
        ".zip", lambda image: _zip_of_zeros(image, 1000, _zeros(60_000, level=0)), 1, 1
    ),
    "a zip with a member of few bytes that is as large as many": Hostile(
        ".zip", lambda image: _zip_of_zeros(image, 1000, _zeros(1000) + bytes(1 << 17)), 1, 1
    ),
    "a zip with a member smaller than it claims": Hostile(
        ".zip", lambda image: _zip_of_zeros(image, 1 << 25, _zeros(1 << 20)), 1, 1
    ),
    "a zip whose members share their data": Hostile(".zip", _overlapping, 0, 3),
    "a zip whose members overlap": Hostile(".zip", _quoted, 1, 1),
    "a tar.gz of 64 GiB of zeros": Hostile(
        ".tar.gz", lambda image: _gzip_zeros(64 * GIB), 0, 1, complete=False
    ),
    "a tar that claims attributes of 8 GiB": Hostile(
        ".tar", lambda image: _extended(b"x", 8 * GIB, image), 1, complete=False
    ),
    "a tar.gz that claims a name of 8 GiB": Hostile(
        ".tar.gz", lambda image: gzip.compress(_extended(b"L", 8 * GIB, image)), 1, complete=False
    ),
    "a tar with 5,000 names for one member": Hostile(".tar", _chain, 1, complete=False),
    "a tar with a negative size": Hostile(
        ".tar", lambda image: _first(image) + block(b"b.png", b"\xff" * 12), 1, complete=False
    ),
    "a tar with a size of 5,000 digits": Hostile(
        ".tar",
        lambda image: tarred(("a.png", image), ("b.png", image), pax_headers={"size": "1" * 5_000}),
        1,
        complete=False,
    ),
    "a tar with attributes that do not end": Hostile(
        ".tar",
        lambda image: (
            _first(image) + block(b"", 14, b"x") + padded(b"14 path=b.png?") + _first(image)
        ),
        1,
        complete=False,
    ),
}
