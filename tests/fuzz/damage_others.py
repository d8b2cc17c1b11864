"""Damage to the fields of a GIF, a BMP and a WebP."""

from __future__ import annotations

import struct
from random import Random

from tests.fuzz.bytewise import BYTEWISE, Damage, number, put, some_bytes

#: BMP's fields by offset: their size in bytes.
_BMP_FIELDS = {2: 4, 10: 4, 14: 4, 18: 4, 22: 4, 26: 2, 28: 2, 30: 4, 34: 4, 46: 4, 50: 4, 54: 4,
               58: 4, 62: 4, 66: 4}  # fmt: skip
_FRAME, _EXTENSION = b",", b"!"
Parts = list[tuple[bytes, bytes]]


def _screen(data: bytes, random: Random) -> bytes:
    """Damage a GIF's canvas or palette."""
    what = random.randrange(3)
    if what == 0:
        return put(data, 6 + 2 * random.randrange(2), number(random, 2).to_bytes(2, "little"))
    return put(data, 10, bytes([random.choice((0, 0x80, 0x87, 0x07, 0xF7, 0xFF))]))


def _frame(data: bytes, random: Random) -> bytes:
    """Damage a frame's position, size, flags or code size, and maybe repeat it."""
    at = data.find(_FRAME, 13 + random.randrange(max(1, len(data) - 13)))
    if at < 0:
        return data
    what = random.randrange(4)
    if what == 0:
        field = number(random, 2).to_bytes(2, "little")
        return put(data, at + 1 + 2 * random.randrange(4), field)
    if what == 1:
        return put(data, at + 9, bytes([random.choice((0, 0x40, 0x80, 0x87, 0xC7, 0xFF))]))
    if what == 2:
        return put(data, at + 10, bytes([random.randrange(16)]))
    return data[:at] + data[at:].removesuffix(b";") * random.choice((2, 30)) + b";"


def _extension(data: bytes, random: Random) -> bytes:
    at = max(13, data.find(_FRAME, 13 + random.randrange(max(1, len(data) - 13))))
    body = some_bytes(random, 255)
    block = bytes([len(body)]) + body + random.choice((b"\0", b"\0", b""))
    kind = bytes([random.choice((0xF9, 0xFE, 0xFF, 0x01, 0))])
    return data[:at] + _EXTENSION + kind + block + data[at:]


def _bmp_field(data: bytes, random: Random) -> bytes:
    at, size = random.choice(list(_BMP_FIELDS.items()))
    small = random.choice((0, 1, 2, 3, 4, 6, 8, 16, 24, 32, 12, 40, 52, 56, 64, 108, 124))
    value = small if random.random() < 0.5 else number(random, size)
    return put(data, at, value.to_bytes(size, "little"))


def _bmp_negative(data: bytes, random: Random) -> bytes:
    """Make the height or the width negative."""
    side = -random.choice((1, 4, 21, 29, 10_000, 1 << 31))
    return put(data, random.choice((18, 22)), struct.pack("<i", side))


def _bmp_runs(data: bytes, random: Random) -> bytes:
    """Replace the pixels by runs, escapes and jumps."""
    at = int.from_bytes(data[10:14], "little") % (len(data) + 1)
    codes = [bytes([random.choice((0, 0, 1, 3, 255)), random.choice((0, 1, 2, 3, 9, 255))])
             for _ in range(random.randint(1, 80))]  # fmt: skip
    kind = struct.pack("<HI", random.choice((4, 8)), random.choice((1, 2)))
    return put(data[:at] + b"".join(codes), 28, kind)


def parts_of(data: bytes) -> Parts:
    """Name and content of each chunk of a WebP, as far as they can be parsed."""
    found, at = [], 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        found.append((data[at : at + 4], data[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    return found


def joined(parts: Parts) -> bytes:
    """The WebP of these chunks."""
    body = b"".join(
        name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
        for name, content in parts
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _webp_parts(data: bytes, random: Random) -> bytes:
    parts = parts_of(data)
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(parts) + 1)
        what = random.randrange(4)
        if what == 0 and parts:
            parts.append(parts.pop(at % len(parts)))
        elif what == 1 and parts:
            del parts[at % len(parts)]
        elif what == 2 and parts:
            parts[at:at] = [random.choice(parts)] * random.choice((1, 1, 40))
        else:
            names = (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"ICCP")
            parts.insert(at, (random.choice(names), some_bytes(random, 60)))
    return joined(parts)


def _webp_content(data: bytes, random: Random) -> bytes:
    """Damage one chunk, mostly its first bytes: flags, sides, offsets, durations."""
    parts = parts_of(data)
    if not parts:
        return data
    at = random.randrange(len(parts))
    name, content = parts[at]
    if random.random() < 0.5 and content:
        size = random.choice((1, 2, 3, 4))
        field = number(random, size).to_bytes(size, "little")
        content = put(content, random.randrange(min(len(content), 24)), field)
    else:
        content = random.choice(BYTEWISE)(content, random)
    parts[at] = name, content
    return joined(parts)


GIF: tuple[Damage, ...] = (_screen, _frame, _frame, _extension)
BMP: tuple[Damage, ...] = (_bmp_field, _bmp_field, _bmp_negative, _bmp_runs)
WEBP: tuple[Damage, ...] = (_webp_parts, _webp_content, _webp_content)
