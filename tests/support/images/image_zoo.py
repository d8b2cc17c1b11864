"""Unusual and broken images, and a folder of them with the expected status of each file."""

from __future__ import annotations

import functools
import os
import stat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.image_status import Status
from tests.support.images.encoders import deflated_zeros, png, save, tiff, turned
from tests.support.images.heif import Item, heif, lossless, size, turned_heif
from worker.datasets.demo import encoded, silhouette

MAX_FILE_BYTES = 64 << 20

Bytes = NDArray[np.uint8]

CLEAN = "clean.png"
SAME = f"same-as:{CLEAN}"  #: has the label of the clean image, with any confidence
SKIPPED = "skipped"  #: has no row
_BOMB_SIDE_PIXELS = 20_000
_TROUSER = 1  #: the garment that networks do not confuse


def garment(seed: int = 0) -> Bytes:
    """Trousers, grey on black, uint8 [28, 28]."""
    return silhouette(_TROUSER, seed)


def bomb() -> bytes:
    """A valid grey PNG of black pixels."""
    side = _BOMB_SIDE_PIXELS
    return png((side, side, 8, 0, 0), deflated_zeros(side * (side + 1)))


@functools.cache
def variants() -> dict[str, bytes]:
    """The garment in other modes and formats; all but the JPEGs have the same pixels."""
    image = garment()
    grey = Image.fromarray(image)
    solid = Image.fromarray(np.where(image > 0, 255, 0).astype(np.uint8))
    other = Image.fromarray(silhouette(8, 0))
    return {
        "grey16.png": save(Image.fromarray(image.astype(np.uint16) * 257), "PNG"),
        "plain.bmp": save(grey, "BMP"),
        "rgb.png": save(grey.convert("RGB"), "PNG"),
        "la.png": save(_with_alpha(grey, solid, "LA"), "PNG"),
        "rgba.png": save(_with_alpha(grey, solid, "RGBA"), "PNG"),
        "palette-alpha.png": save(_transparent_palette(grey), "PNG", transparency=0),
        "turned.png": turned(image, 6),
        "still.gif": save(grey, "GIF"),
        "animated.gif": save(grey, "GIF", save_all=True, append_images=[other]),
        "lossless.webp": save(grey, "WEBP", lossless=True),
        "lossless.avif": save(grey, "AVIF", quality=100),
        "turned.avif": turned(image, 6, "AVIF", quality=100),
        "lossless.heic": lossless(image),
        "turned.HEIC": turned_heif(image, 6),
        "plain.tiff": save(grey, "TIFF"),
        "packed.tif": save(grey, "TIFF", compression="tiff_lzw"),
        "grey.jpg": save(grey, "JPEG", quality=95),
        "cmyk.jpg": save(grey.convert("RGB").convert("CMYK"), "JPEG", quality=95),
        "turned.jpg": turned(image, 8, "JPEG", quality=95),
    }


@functools.cache
def broken() -> dict[str, tuple[bytes, Status]]:
    """Files that cannot be decoded, and the status of each."""
    image = garment()
    good = encoded(image)
    photo = save(Image.fromarray(image).resize((280, 280)), "JPEG")
    return {
        "empty.png": (b"", Status.UNREADABLE),
        "truncated.png": (good[: len(good) // 2], Status.UNREADABLE),
        "truncated.jpg": (photo[: len(photo) // 2], Status.UNREADABLE),
        **{
            f"truncated-{name}": (data[: len(data) // 3], Status.UNREADABLE)
            for name, data in variants().items()
            if name
            in (
                "plain.bmp",
                "still.gif",
                "lossless.webp",
                "lossless.avif",
                "lossless.heic",
                "plain.tiff",
                "packed.tif",
            )
        },
        "flipped-bit.png": (_flip(good, 60), Status.UNREADABLE),
        "text.png": (b"BMWs are cars, and this is a text about them.\n", Status.UNSUPPORTED),
        "drawing.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n", Status.UNSUPPORTED),
        "derived.heic": (heif([Item(b"iovl", bytes(20), [size(28, 28)])]), Status.UNSUPPORTED),
        "other.jxl": (b"\0\0\0\x0cJXL \r\n\x87\n", Status.UNSUPPORTED),
        "nikon.nef": (_camera_raw(), Status.UNSUPPORTED),
        "nikon.tif": (_camera_raw(), Status.UNSUPPORTED),
        "bomb.png": (bomb(), Status.TOO_LARGE),
    }


def write_zoo(folder: Path) -> dict[str, Status | str]:
    """Fill `folder`. Path below it (as `os.fsdecode` has it) -> its status, SAME or SKIPPED."""
    clean = garment()
    expected: dict[str, Status | str] = {CLEAN: Status.OK}
    (folder / CLEAN).write_bytes(encoded(clean))
    for name, content in variants().items():
        (folder / name).write_bytes(content)
        expected[name] = SAME
    for name, (content, status) in broken().items():
        (folder / name).write_bytes(content)
        expected[name] = status
    return expected | _write_names(folder, encoded(clean)) | _write_kinds(folder, encoded(clean))


def _write_names(folder: Path, content: bytes) -> dict[str, Status | str]:
    names = [
        b"nameless",
        b"new\nline.png",
        b"com,ma.png",
        b'quo"te.png',
        b"=cmd.png",
        b"caf\xe9.png",
    ]
    for name in names:
        (folder / os.fsdecode(name)).write_bytes(content)
    return {os.fsdecode(name): SAME for name in names}


def _write_kinds(folder: Path, content: bytes) -> dict[str, Status | str]:
    """Write entries that are not plain readable files."""
    (folder / "folder.png").mkdir()
    for name in ("folder.png/inside.png", "locked.png", ".hidden.png"):
        (folder / name).write_bytes(content)
    (folder / "locked.png").chmod(0)
    os.mkfifo(folder / "fifo.png")
    os.mknod(folder / "socket.png", stat.S_IFSOCK | 0o600)
    for name, target in {"link": CLEAN, "loop": "loop.png", "nowhere": "gone.png"}.items():
        (folder / f"{name}.png").symlink_to(target)
    with open(folder / "huge.png", "wb") as huge:
        huge.truncate(MAX_FILE_BYTES + 1)  # a hole: it uses no disk space
    return {
        "folder.png/inside.png": SAME,
        # Root can read it regardless.
        "locked.png": SAME if os.access(folder / "locked.png", os.R_OK) else Status.UNREADABLE,
        "huge.png": Status.TOO_LARGE,
        ".hidden.png": SKIPPED,
        "fifo.png": SKIPPED,
        "socket.png": SKIPPED,
        "link.png": SKIPPED,
        "loop.png": SKIPPED,
        "nowhere.png": SKIPPED,
    }


def _camera_raw() -> bytes:
    """A preview of 8x8, with the sensor's data below it."""
    tags = {254: (4, [1]), 256: (4, [8]), 257: (4, [8]), 258: (3, [8]), 259: (3, [1]),
            262: (3, [1]), 273: (4, [-1]), 278: (4, [8]), 279: (4, [64]),
            330: (4, [8])}  # fmt: skip
    return tiff(tags, bytes(64))


def _with_alpha(grey: Image.Image, alpha: Image.Image, mode: str) -> Image.Image:
    """The garment on a bright background that its alpha channel hides."""
    image = Image.composite(grey, Image.new("L", grey.size, 200), alpha).convert(mode)
    image.putalpha(alpha)
    return image


def _transparent_palette(grey: Image.Image) -> Image.Image:
    """A palette whose index 0, the background, is white and transparent."""
    image = grey.copy()
    image.putpalette([255, 255, 255, *(v for v in range(1, 256) for _ in range(3))])
    return image


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
