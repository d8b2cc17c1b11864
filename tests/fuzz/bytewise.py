"""Damage independent of formats, and numbers that decoders handle badly."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Damage = Callable[[bytes, Random], bytes]

#: Sides, counts, lengths and offsets at the limits of fields and of decoders.
NUMBERS = (
    0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 28, 31, 32, 64, 100, 127, 128, 129, 255, 256, 257, 999,
    1_000, 4_096, 7_071, 9_999, 10_001, 14_142, 16_384, 32_767, 32_768, 65_534, 65_535, 65_536,
    99_999, 1 << 20, 1 << 24, 1 << 26, (1 << 31) - 1, 1 << 31, (1 << 32) - 1,
)  # fmt: skip
_MAX_INSERT = 40


def number(random: Random, size_bytes: int = 4) -> int:
    """A number of at most `size_bytes` bytes, mostly one of NUMBERS."""
    top = (1 << 8 * size_bytes) - 1
    return random.choice(NUMBERS) & top if random.random() < 0.8 else random.randint(0, top)


def put(data: bytes, at: int, field: bytes) -> bytes:
    """Replace as many bytes at `at` by `field`."""
    return data[:at] + field + data[at + len(field) :]


def some_bytes(random: Random, limit: int = _MAX_INSERT) -> bytes:
    """Random bytes, at most `limit`."""
    return random.randbytes(random.randint(0, limit))


def anywhere(data: bytes, random: Random) -> int:
    """A random offset; half of the time near the start, where most headers are."""
    end = max(0, len(data) - 1)
    return random.randint(0, min(end, 120) if random.random() < 0.5 else end)


def flip(data: bytes, random: Random) -> bytes:
    """Flip one bit."""
    at = anywhere(data, random)
    return put(data, at, bytes([data[at] ^ 1 << random.randrange(8)])) if data else data


def overwrite(data: bytes, random: Random) -> bytes:
    """Overwrite 1 to 8 bytes with a number in either byte order."""
    size = random.choice((1, 2, 2, 4, 4, 8))
    field = number(random, size).to_bytes(size, random.choice(("big", "little")))
    return put(data, anywhere(data, random), field)


def cut(data: bytes, random: Random) -> bytes:
    """Remove the rest from a random offset, or a part in the middle."""
    at = anywhere(data, random)
    return data[:at] + (b"" if random.random() < 0.6 else data[at + random.randint(1, 60) :])


def insert(data: bytes, random: Random) -> bytes:
    """Insert random bytes."""
    at = anywhere(data, random)
    return data[:at] + some_bytes(random) + data[at:]


def repeat(data: bytes, random: Random) -> bytes:
    """Repeat a part."""
    at = anywhere(data, random)
    part = data[at : at + random.randint(1, 200)]
    return data[:at] + part * random.choice((2, 3, 50)) + data[at:]


def blank(data: bytes, random: Random) -> bytes:
    """Fill a part with zero or one bits."""
    at, length = anywhere(data, random), random.randint(1, 64)
    return put(data, at, random.choice((b"\0", b"\xff")) * length)


BYTEWISE: tuple[Damage, ...] = (flip, flip, overwrite, overwrite, cut, insert, repeat, blank)
