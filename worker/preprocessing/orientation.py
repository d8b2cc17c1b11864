"""Reads the EXIF orientation of an image and rotates it upright."""

from __future__ import annotations

from PIL import Image

UPRIGHT = 1
#: Orientations whose width and height are exchanged.
SIDEWAYS = (5, 6, 7, 8)
ORIENTATION = 0x0112  #: EXIF's tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation_of(image: Image.Image) -> int:
    """1 (upright) to 8, as numbered in EXIF; 1 if there is no valid value."""
    try:
        return int(image.getexif().get(ORIENTATION, UPRIGHT))
    except Exception:
        # Damaged EXIF beside a valid image; Pillow raises exceptions of any class.
        return UPRIGHT


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The image rotated and mirrored so that `orientation` becomes 1."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)
