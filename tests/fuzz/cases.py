"""Hostile images: a real image, damaged a few times with or without knowledge of its format.

A case is a pure function of a seed and a number, so a case that killed a process can be repeated.
"""

from __future__ import annotations

from random import Random

from tests.fuzz.bytewise import BYTEWISE, Damage, anywhere
from tests.fuzz.damage_avif import AVIF
from tests.fuzz.damage_heif import HEIF
from tests.fuzz.damage_jpeg import JPEG
from tests.fuzz.damage_others import BMP, GIF, WEBP
from tests.fuzz.damage_png import PNG
from tests.fuzz.damage_tiff import TIFF
from tests.fuzz.seeds import seeds

_FORMATS: dict[bytes, tuple[Damage, ...]] = {
    b"\x89PNG": PNG,
    b"\xff\xd8\xff": JPEG,
    b"GIF8": GIF,
    b"II": TIFF,
    b"MM": TIFF,
    b"BM": BMP,
    b"RIFF": WEBP,
}
_CONTAINERS = {b"ftypavif": AVIF, b"ftypheic": HEIF}
_ENDINGS = ("png", "jpg", "gif", "tif", "bmp", "webp", "avif", "heic")
#: The number of damages; a single one is most likely to reach the pixels.
_DAMAGES = (1, 1, 1, 2, 2, 3, 5)
#: Limits repeated parts, which could otherwise form decompression bombs.
_MAX_BYTES = 1 << 20


def case(seed: str, number: int) -> bytes:
    """The case of this number, always the same for a seed."""
    return hostile(Random(f"{seed}/{number}"))


def hostile(random: Random) -> bytes:
    """A damaged image; the format is chosen first, so that all formats have the same share."""
    ending = random.choice(_ENDINGS)
    names = [name for name in seeds() if name.endswith(ending)]
    data = seeds()[random.choice(names)]
    for _ in range(random.choice(_DAMAGES)):
        data = _damaged(data, random)[:_MAX_BYTES]
    return data


def _damaged(data: bytes, random: Random) -> bytes:
    chance = random.random()
    if chance < 0.65:
        return random.choice(_of_its_format(data))(data, random)
    if chance < 0.95:
        return random.choice(BYTEWISE)(data, random)
    other = random.choice(list(seeds().values()))
    return data[: anywhere(data, random)] + other[anywhere(other, random) :]


def _of_its_format(data: bytes) -> tuple[Damage, ...]:
    for magic, damages in _FORMATS.items():
        if data.startswith(magic):
            return damages
    return _CONTAINERS.get(data[4:12], BYTEWISE)
