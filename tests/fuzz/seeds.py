"""Real encoded images as seeds: every format with all its modes."""

from __future__ import annotations

import functools
from contextlib import suppress
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from tests.support.images.encoders import png, png_rows, save, tiff
from tests.support.images.heif import coded_files
from tests.support.images.image_zoo import variants
from worker.decoding.tiff import quiet

_SIZES = ((28, 28), (64, 48), (1, 1), (17, 33))
_TIFF_COMPRESSIONS = (
    "raw", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma",
)  # fmt: skip
_PNG_FORMS = [(d, 0) for d in (1, 2, 4, 8, 16)] + [(8, 2), (16, 2), (8, 4), (16, 4), (8, 6)]
_SAMPLES = {0: 1, 2: 3, 4: 2, 6: 4}


@functools.cache
def seeds() -> dict[str, bytes]:
    """Name -> file. The same in every process."""
    return {**variants(), **_pngs(), **_jpegs(), **_gifs(), **_tiffs(), **_others()}


def noise(size: tuple[int, int], mode: str) -> Image.Image:
    """A noisy image, the same for the same size and mode."""
    rng = np.random.default_rng([*size, len(mode)])
    pixels = rng.integers(0, 256, (size[1], size[0], 4), np.uint8)
    pixels[: size[1] // 2] = np.arange(size[0], dtype=np.uint8)[:, np.newaxis]
    image = Image.fromarray(pixels)
    return image if mode == "RGBA" else image.convert("RGB").convert(mode)


def exif(orientation: int = 6) -> bytes:
    """An EXIF block with a sub-block and a position."""
    block = Image.Exif()
    block[0x0112], block[0x010E] = orientation, "a garment"
    block.get_ifd(0x8769)[0x9003] = "2026:01:01 00:00:00"
    block.get_ifd(0x8825)[1] = "N"
    return block.tobytes()


def icc() -> bytes:
    """An sRGB colour profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _pngs() -> dict[str, bytes]:
    found = {}
    for depth, colour in _PNG_FORMS:
        rng = np.random.default_rng([depth, colour])
        samples = rng.integers(0, 1 << depth, (19, 23, _SAMPLES[colour]))
        for interlace in (0, 1):
            rows = png_rows(samples, depth, bool(interlace))
            head = (23, 19, depth, colour, interlace)
            found[f"{depth}-{colour}-{interlace}.png"] = png(head, rows)
    frames = [noise((28, 28), "RGB"), noise((28, 28), "L").convert("RGB")]
    found["notes.png"] = save(noise((28, 28), "P"), "PNG", exif=exif(), icc_profile=icc())
    found["animated.png"] = save(frames[0], "PNG", save_all=True, append_images=frames)
    return found


def _jpegs() -> dict[str, bytes]:
    found = {}
    for mode in ("L", "RGB", "CMYK"):
        for n, size in enumerate(_SIZES):
            options: dict[str, Any] = {"progressive": bool(n & 1), "quality": 30 + 20 * n}
            options["subsampling"] = n % 3
            found[f"{mode}-{n}.jpg"] = save(noise(size, mode), "JPEG", **options)
    photo = noise((64, 48), "RGB")
    found["notes.jpg"] = save(photo, "JPEG", exif=exif(), icc_profile=icc(), comment=b"hello")
    found["restart.jpg"] = save(photo, "JPEG", restart_marker_blocks=2)
    return found


def _gifs() -> dict[str, bytes]:
    frames = [noise(size, "P") for size in _SIZES]
    moving: dict[str, Any] = {"save_all": True, "append_images": frames, "duration": 40, "loop": 0}
    return {
        "interlaced.gif": save(frames[1], "GIF", interlace=1, comment=b"hello"),
        "plain.gif": save(frames[3], "GIF", interlace=0),
        **{f"moving-{d}.gif": save(frames[1], "GIF", disposal=d, **moving) for d in range(3)},
        "clear.gif": save(frames[0], "GIF", transparency=3),
    }


def _tiffs() -> dict[str, bytes]:
    found = {}
    for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "LAB", "YCbCr", "I;16", "I", "F"):
        image = _deep(mode) if mode in ("I;16", "I", "F") else noise((29, 21), mode)
        for compression in _TIFF_COMPRESSIONS:
            with quiet(), suppress(OSError, ValueError):  # libtiff rejects some pairs
                found[f"{mode}-{compression}.tif"] = save(image, "TIFF", compression=compression)
    fax = noise((29, 21), "1")
    found |= {f"{c}.tif": save(fax, "TIFF", compression=c) for c in ("group3", "group4")}
    pages = [noise((16, 16), "L")] * 3
    found["pages.tif"] = save(pages[0], "TIFF", save_all=True, append_images=pages)
    found["big.tif"] = save(noise((29, 21), "RGB"), "TIFF", big_tiff=True)
    found["notes.tif"] = save(noise((29, 21), "RGB"), "TIFF", exif=exif(), icc_profile=icc())
    tiles = {256: (4, [32]), 257: (4, [32]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1]),
             277: (3, [1]), 322: (4, [16]), 323: (4, [16]), 324: (4, [166, 422, 678, 934]),
             325: (4, [256] * 4)}  # fmt: skip
    for order in "<>":
        found[f"tiles{order}.tif"] = tiff(tiles, bytes(range(256)) * 4, order)
    return found


def _deep(mode: str) -> Image.Image:
    kinds = {"I;16": np.uint16, "I": np.int32, "F": np.float32}
    return Image.fromarray((np.arange(29 * 21).reshape(21, 29) * 97).astype(kinds[mode]))


def _others() -> dict[str, bytes]:
    modes = ("1", "L", "P", "RGB", "RGBA")
    found = {f"{mode}.bmp": save(noise((29, 21), mode), "BMP") for mode in modes}
    found["runs.bmp"] = _runs()
    found |= _avifs() | coded_files()
    moving: dict[str, Any] = {"save_all": True, "append_images": [noise((64, 48), "RGBA")] * 2}
    for name, image in (("rgb", noise((64, 48), "RGB")), ("rgba", noise((64, 48), "RGBA"))):
        found[f"{name}-lossy.webp"] = save(image, "WEBP", quality=40, method=0)
        found[f"{name}-exact.webp"] = save(image, "WEBP", lossless=True, method=0)
        found[f"{name}-notes.webp"] = save(image, "WEBP", exif=exif(), icc_profile=icc(), method=0)
        found[f"{name}-moving.webp"] = save(image, "WEBP", method=0, **moving)
    return found


def _avifs() -> dict[str, bytes]:
    """One thread and one codec, so that the files are the same in every process."""
    found = {}
    for mode in ("L", "RGB", "RGBA"):
        for sampling in ("4:2:0", "4:4:4"):
            image, name = noise((64, 48), mode), f"{mode}-{sampling[2:].replace(':', '')}.avif"
            found[name] = save(image, "AVIF", subsampling=sampling, max_threads=1, speed=10)
    frames: dict[str, Any] = {"save_all": True, "append_images": [noise((28, 28), "RGB")] * 2}
    found["moving.avif"] = save(noise((28, 28), "RGB"), "AVIF", max_threads=1, **frames)
    found["notes.avif"] = save(noise((28, 28), "RGB"), "AVIF", max_threads=1, exif=exif())
    return found


def _runs() -> bytes:
    """A run-length encoded BMP, which Pillow can read but not write."""
    plain = bytearray(save(noise((16, 4), "P"), "BMP"))
    rows = b"".join(b"\x04\x07\x00\x04abcd\x08\x09\x00\x00" for _ in range(4)) + b"\x00\x01"
    plain[30:34] = (1).to_bytes(4, "little")
    plain[34:38] = len(rows).to_bytes(4, "little")
    return bytes(plain[: int.from_bytes(plain[10:14], "little")]) + rows
