"""Damage to a PNG's chunks, with correct lengths and checksums and a deflated stream."""

from __future__ import annotations

import struct
import zlib
from random import Random

from tests.fuzz.bytewise import BYTEWISE, Damage, number, put, some_bytes
from tests.support.images.encoders import chunk

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: More would be a bomb; those are in tests/support/images/decompression_bombs.py.
_MAX_INFLATED = 1 << 20
Chunks = list[tuple[bytes, bytes]]


def chunks_of(data: bytes) -> Chunks:
    """Name and content of each chunk, as far as they can be parsed."""
    found, at = [], len(_SIGNATURE)
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        found.append((name, data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def joined(chunks: Chunks) -> bytes:
    """The file of these chunks."""
    return _SIGNATURE + b"".join(chunk(name, content) for name, content in chunks)


def _index(chunks: Chunks, name: bytes) -> int:
    return next((i for i, (other, _) in enumerate(chunks) if other == name), 0)


def _head(data: bytes, random: Random) -> bytes:
    chunks = chunks_of(data)
    if not chunks:
        return data
    _, content = chunks[0]
    what = random.randrange(4)
    if what == 0:
        content = put(content, 4 * random.randrange(2), number(random).to_bytes(4, "big"))
    elif what == 1:  # an image that probably decodes
        sides = random.choice((1, 5, 28, 100, 3_000)), random.choice((1, 7, 28, 3_000))
        content = struct.pack(">II", *sides) + content[8:]
    else:
        content = put(content, 8 + random.randrange(5), bytes([random.choice((*range(17), 255))]))
    return joined([(b"IHDR", content), *chunks[1:]])


def _order(data: bytes, random: Random) -> bytes:
    chunks = chunks_of(data)
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(chunks) + 1)
        what = random.randrange(4)
        if what == 0 and chunks:
            chunks.append(chunks.pop(at % len(chunks)))
        elif what == 1 and chunks:
            del chunks[at % len(chunks)]
        elif what == 2 and chunks:
            chunks.insert(at, random.choice(chunks))
        else:
            chunks.insert(at, _extra(random))
    return joined(chunks)


def _extra(random: Random) -> tuple[bytes, bytes]:
    names = (b"PLTE", b"tRNS", b"eXIf", b"iCCP", b"tEXt", b"zTXt", b"iTXt", b"acTL", b"fcTL",
             b"fdAT", b"gAMA", b"cHRM", b"sBIT", b"IDAT", b"IEND", b"IHDR", b"CgBI")  # fmt: skip
    length = random.choice((0, 1, 2, 3, 6, 13, 26, 255, 256, 768, 769))
    return random.choice(names), random.randbytes(length)


def _stream(data: bytes, random: Random) -> bytes:
    """Change, truncate or extend the inflated content of IDAT."""
    chunks = chunks_of(data)
    packed = b"".join(content for name, content in chunks if name == b"IDAT")
    try:
        rows = zlib.decompressobj().decompress(packed, _MAX_INFLATED)
    except zlib.error:
        rows = some_bytes(random)
    rows = random.choice(BYTEWISE)(rows, random)
    packed = zlib.compress(rows, random.choice((0, 1, 9)))
    if random.random() < 0.3:
        packed = random.choice(BYTEWISE)(packed, random)
    at = _index(chunks, b"IDAT")
    others = [one for one in chunks if one[0] != b"IDAT"]
    step = random.choice((1, 7, 1 << 20)) if len(packed) < 2_000 else 1 << 20
    parts = [packed[i : i + step] for i in range(0, len(packed), step)]
    return joined(others[:at] + [(b"IDAT", part) for part in parts] + others[at:])


def _content(data: bytes, random: Random) -> bytes:
    """Damage one chunk, with a correct checksum."""
    chunks = chunks_of(data)
    if not chunks:
        return data
    at = random.randrange(len(chunks))
    name, content = chunks[at]
    chunks[at] = name, random.choice(BYTEWISE)(content, random)
    return joined(chunks)


PNG: tuple[Damage, ...] = (_head, _head, _order, _stream, _stream, _content)
