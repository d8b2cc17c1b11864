"""The formats of image files: which are decoded, and which are images that Hangtag cannot decode.

A file is decoded by its first bytes, whatever its name. Names decide which files are rows, and only
for a kind that is not decoded the row's status: cameras' raw files are TIFF files by their first
bytes, and what a TIFF reader finds in them is a preview.

A new format has a row here, a reader in worker/decoding/, and an entry in its decode.py.
"""

from __future__ import annotations

from typing import NamedTuple


class Signature(NamedTuple):
    """Bytes at the start of a file, and others at an offset."""

    start: bytes
    offset: int = 0
    more: bytes = b""


class ImageFormat(NamedTuple):
    """A format that is decoded."""

    name: str
    endings: tuple[bytes, ...]  #: in lower case, without the dot
    signatures: tuple[Signature, ...] = ()
    brands: tuple[bytes, ...] = ()  #: of an ISO base media file, of which one suffices


#: "BM" can also be the start of a text about BMW, so the size of the next header is compared.
_BMP_HEADERS_BYTES = (12, 40, 52, 56, 64, 108, 124)
#: The most frequent formats come first. Of two whose brands a file has, the first one counts.
FORMATS = (
    ImageFormat("JPEG", (b"jpg", b"jpeg", b"jpe", b"jfif"), (Signature(b"\xff\xd8\xff"),)),
    ImageFormat("PNG", (b"png", b"apng"), (Signature(b"\x89PNG\r\n\x1a\n"),)),
    ImageFormat(
        "WEBP",
        (b"webp",),
        tuple(Signature(b"RIFF", 8, b"WEBP" + chunk) for chunk in (b"VP8 ", b"VP8L", b"VP8X")),
    ),
    ImageFormat("AVIF", (b"avif", b"avifs"), brands=(b"avif", b"avis")),
    ImageFormat(
        "HEIF",
        (b"heic", b"heif", b"hif", b"heics", b"heifs"),
        brands=(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
    ),
    ImageFormat(
        "BMP",
        (b"bmp", b"dib"),
        tuple(Signature(b"BM", 14, size.to_bytes(4, "little")) for size in _BMP_HEADERS_BYTES),
    ),
    ImageFormat("GIF", (b"gif",), (Signature(b"GIF87a"), Signature(b"GIF89a"))),
    ImageFormat(
        "TIFF",
        (b"tif", b"tiff"),
        # With "+" files above 4 GiB, but also small ones.
        tuple(Signature(magic) for magic in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    ),
)
DECODED_ENDINGS = tuple(ending for known in FORMATS for ending in known.endings)
#: Raster images of other kinds. Drawings and documents (SVG, EPS, PDF) are not among them.
OTHER_ENDINGS = (
    b"jxl", b"jp2", b"j2k", b"jpf", b"jpx", b"jxr", b"wdp", b"hdp",
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

#: Canon's CR3; JPEG XL, JPEG 2000, Photoshop, cameras that sign their raw files.
_OTHER_BRANDS = {b"crx "}
_OTHER_MAGIC = (
    b"\xff\x0a", b"\0\0\0\x0cJXL ", b"\0\0\0\x0cjP  ", b"8BPS", b"FUJIFILMCCD-RAW", b"IIRO",
    b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM", b"gimp xcf ", b"v/1\x01",
)  # fmt: skip
_SIGNATURES = [(*signature, known.name) for known in FORMATS for signature in known.signatures]
_BRANDS = [(known.brands, known.name) for known in FORMATS if known.brands]


def format_of(head: bytes) -> str | None:
    """The name of the format of a file that starts with `head`; None if it is not decoded."""
    for start, offset, more, name in _SIGNATURES:
        if head.startswith(start) and head.startswith(more, offset):
            return name
    brands = _brands(head)
    return next((name for known, name in _BRANDS if not brands.isdisjoint(known)), None)


def is_truncated(data: bytes) -> bool:
    """Whether a file is too short for its format to be detected, and could be the start of one."""
    for start, offset, more, _ in _SIGNATURES:
        end = offset + len(more)
        starts = start.startswith(data[: len(start)]) and more.startswith(data[offset:end])
        if starts and len(data) < max(len(start), end):
            return True
    is_box = 4 < len(data) < 12 and b"ftyp".startswith(data[4:8])
    return is_box and any(brand.startswith(data[8:]) for known, _ in _BRANDS for brand in known)


def is_image(head: bytes) -> bool:
    """Whether these are the first bytes of an image of any known kind, decoded or not."""
    if format_of(head) or head.startswith(_OTHER_MAGIC):
        return True
    return not _OTHER_BRANDS.isdisjoint(_brands(head))


def _brands(head: bytes) -> set[bytes]:
    """The major and the compatible brands of an ISO base media file; empty for other files."""
    if head[4:8] != b"ftyp":
        return set()
    brands = head[8 : int.from_bytes(head[:4], "big")]
    return {brands[at : at + 4] for at in range(0, len(brands), 4) if at != 4}


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
