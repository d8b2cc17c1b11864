"""The formats of image files: which are decoded, and which are images that Hangtag cannot decode.

A file is decoded by its first bytes, whatever its name. Names decide which files are rows, and only
for a kind that is not decoded the row's status: cameras' raw files are TIFF files by their first
bytes, and what a TIFF reader finds in them is a preview.

A new format has its name, its endings and its first bytes here, and its reader in
worker/decoding/decode.py. The sentence for other files, in `image_status.py`, names the formats.
"""

from __future__ import annotations

from typing import Literal

ImageFormat = Literal["JPEG", "PNG", "WEBP", "AVIF", "BMP", "GIF", "TIFF"]

#: Endings in lower case, without the dot.
DECODED_ENDINGS = (
    b"jpg", b"jpeg", b"jpe", b"jfif", b"png", b"apng", b"webp", b"avif", b"avifs", b"bmp", b"dib",
    b"gif", b"tif", b"tiff",
)  # fmt: skip
#: Raster images of other kinds. Drawings and documents (SVG, EPS, PDF) are not among them.
OTHER_ENDINGS = (
    b"heic", b"heif", b"hif", b"jxl", b"jp2", b"j2k", b"jpf", b"jpx", b"jxr", b"wdp", b"hdp",
    b"psd", b"psb", b"xcf", b"tga", b"ico", b"icns", b"pcx", b"dds", b"exr", b"hdr",
    b"pbm", b"pgm", b"ppm", b"pnm", b"pam",
    b"3fr", b"arw", b"cr2", b"cr3", b"crw", b"dcr", b"dng", b"erf", b"fff", b"iiq", b"kdc", b"mef",
    b"mos", b"mrw", b"nef", b"nrw", b"orf", b"pef", b"raf", b"rw2", b"rwl", b"sr2", b"srf", b"srw",
    b"x3f",
)  # fmt: skip
_DECODED, _OTHERS = frozenset(DECODED_ENDINGS), frozenset(OTHER_ENDINGS)
_ALL = _DECODED | _OTHERS
#: The number of bytes that `format_of` and `is_image` need.
HEAD_BYTES = 256

MAGIC: dict[bytes, ImageFormat] = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",  # above 4 GiB, but also used for small files
    b"MM\0+": "TIFF",
}
WEBP_CHUNKS = (b"VP8 ", b"VP8L", b"VP8X")
#: "BM" can also be the start of a text about BMW, so the size of the next header is checked.
_BMP_HEADERS_BYTES = (12, 40, 52, 56, 64, 108, 124)
_AVIF_BRANDS = {b"avif", b"avis"}
#: HEIC and HEIF, Canon's CR3; JPEG XL, JPEG 2000, Photoshop, cameras that sign their raw files.
_OTHER_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"crx "}
_OTHER_MAGIC = (
    b"\xff\x0a", b"\0\0\0\x0cJXL ", b"\0\0\0\x0cjP  ", b"8BPS", b"FUJIFILMCCD-RAW", b"IIRO",
    b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM", b"gimp xcf ", b"v/1\x01",
)  # fmt: skip


def format_of(head: bytes) -> ImageFormat | None:
    """The format of a file that starts with `head`; None if it is not decoded."""
    for magic, kind in MAGIC.items():
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and head[12:16] in WEBP_CHUNKS:
        return "WEBP"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS_BYTES:
        return "BMP"
    return "AVIF" if not _AVIF_BRANDS.isdisjoint(_brands(head)) else None


def is_image(head: bytes) -> bool:
    """Whether these are the first bytes of an image of any known kind, decoded or not."""
    if format_of(head) or head.startswith(_OTHER_MAGIC):
        return True
    return not _OTHER_BRANDS.isdisjoint(_brands(head))


def _brands(head: bytes) -> list[bytes]:
    """The major and the compatible brands of an ISO base media file; empty for other files."""
    if head[4:8] != b"ftyp":
        return []
    brands = head[8 : int.from_bytes(head[:4], "big")]
    return [brands[at : at + 4] for at in range(0, len(brands), 4) if at != 4]


def has_image_ending(path: bytes) -> bool:
    """Whether a file's name ends like that of an image, decoded or not."""
    return path.rpartition(b".")[2].lower() in _ALL  # of every file: no further call


def is_decoded_kind(path: bytes) -> bool:
    """Whether a file's name ends like that of an image that is decoded."""
    return _ending(path) in _DECODED


def is_other_kind(path: bytes) -> bool:
    """Whether a file's name ends like that of an image that is not decoded."""
    return path.rpartition(b".")[2].lower() in _OTHERS  # of every file: no further call


def _ending(path: bytes) -> bytes:
    return path.rpartition(b".")[2].lower()


def is_misnamed(head: bytes) -> bool:
    """Whether a file with the name of such a kind is nevertheless decoded: a JPEG called .heic."""
    return format_of(head) not in (None, "TIFF")
