"""How EXIF says that a picture lies, and turning it upright."""

from __future__ import annotations

from PIL import Image

UPRIGHT = 1
#: Orientations whose width and height are exchanged.
SIDEWAYS = (5, 6, 7, 8)
_ORIENTATION = 0x0112
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
    """1 (upright) to 8, as EXIF numbers them; 1 where it does not say so."""
    try:
        return int(image.getexif().get(_ORIENTATION, UPRIGHT))
    except Exception:
        # A damaged note beside a good picture; Pillow raises whatever its parsing runs into.
        return UPRIGHT


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The picture turned and mirrored so that `orientation` becomes 1."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)
