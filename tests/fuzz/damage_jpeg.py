"""Damage to a JPEG's segments: frames, tables, scans and metadata, with correct lengths."""

from __future__ import annotations

from random import Random

from tests.fuzz.bytewise import BYTEWISE, Damage, number, put, some_bytes
from tests.fuzz.seeds import exif, icc

_FRAMES = (0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC9, 0xCA, 0xCF)
_SCAN, _EXIF, _ICC, _ADOBE, _RESTART = 0xDA, 0xE1, 0xE2, 0xEE, 0xDD
Segments = list[tuple[int, bytes]]


def segments_of(data: bytes) -> tuple[Segments, bytes]:
    """Code and content of each segment up to the first scan, and the rest of the file."""
    found: Segments = []
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _SCAN:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        found.append((data[at + 1], data[at + 4 : at + 2 + length]))
        at += 2 + length
    return found, data[at:]


def joined(segments: Segments, rest: bytes) -> bytes:
    """The file of these segments."""
    parts = [b"\xff\xd8"]
    for code, content in segments:
        parts.append(bytes([0xFF, code]) + min(len(content) + 2, 65_535).to_bytes(2, "big"))
        parts.append(content)
    return b"".join(parts) + rest


def _frame(data: bytes, random: Random) -> bytes:
    """Damage kind, depth, sides or the sampling of components."""
    segments, rest = segments_of(data)
    for i, (code, content) in enumerate(segments):
        if code not in _FRAMES or len(content) < 6:
            continue
        what = random.randrange(4)
        if what == 0:
            content = put(
                content, 1 + 2 * random.randrange(2), number(random, 2).to_bytes(2, "big")
            )
        elif what == 1:
            code = random.choice(_FRAMES)
        elif what == 2:
            content = put(content, random.choice((0, 5)), bytes([random.randrange(13)]))
        else:
            at = random.randrange(6, len(content) + 1)
            content = put(content, at, bytes([random.choice((0x11, 0x21, 0x44, 0x14, 0, 255, 3))]))
        segments[i] = code, content
    return joined(segments, rest)


def _order(data: bytes, random: Random) -> bytes:
    segments, rest = segments_of(data)
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(segments) + 1)
        what = random.randrange(4)
        if what == 0 and segments:
            segments.append(segments.pop(at % len(segments)))
        elif what == 1 and segments:
            del segments[at % len(segments)]
        elif what == 2 and segments:
            segments.insert(at, random.choice(segments))
        else:
            segments.insert(at, _note(random))
    return joined(segments, rest)


def _note(random: Random) -> tuple[int, bytes]:
    """EXIF, a profile, Adobe's transform, a restart interval or anything; often damaged."""
    code, content = random.choice((
        (_EXIF, b"Exif\0\0" + exif(random.randrange(12))[6:]),
        (_EXIF, exif(random.randrange(12))),
        (_ICC, b"ICC_PROFILE\0\1\1" + icc()),
        (_ADOBE, b"Adobe\0\x64\0\0\0\0" + bytes([random.randrange(4)])),
        (_RESTART, number(random, 2).to_bytes(2, "big")),
        (random.choice((0xE0, 0xED, 0xFE, 0xDB, 0xC4, 0xCC, 0xDC, 0xDE)), some_bytes(random, 90)),
    ))  # fmt: skip
    return code, random.choice(BYTEWISE)(content, random) if random.random() < 0.5 else content


def _content(data: bytes, random: Random) -> bytes:
    segments, rest = segments_of(data)
    if segments:
        at = random.randrange(len(segments))
        code, content = segments[at]
        segments[at] = code, random.choice(BYTEWISE)(content, random)
    return joined(segments, rest)


def _scans(data: bytes, random: Random) -> bytes:
    """Damage, repeat or remove scans; insert restart markers in wrong places."""
    segments, rest = segments_of(data)
    what = random.randrange(4)
    if what == 0:
        rest = random.choice(BYTEWISE)(rest, random)
    elif what == 1:
        rest = rest.removesuffix(b"\xff\xd9") * random.choice((2, 10, 60)) + b"\xff\xd9"
    elif what == 2:
        rest = rest[: random.randrange(len(rest) + 1)]
    else:
        at = random.randrange(len(rest) + 1)
        rest = rest[:at] + bytes([0xFF, random.randrange(0xC0, 0x100)]) + rest[at:]
    return joined(segments, rest)


JPEG: tuple[Damage, ...] = (_frame, _frame, _order, _content, _scans)
