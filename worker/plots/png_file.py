"""Plots as PNG files: small ones, the same bytes for the same plot."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

#: Plots are sent through Redis: a palette takes a third of the bytes, without a visible difference
#: in plots of grey images. Photos keep their colours.
COLOURS = 256
#: A plot with more colours contains photos. Antialiased text and bars have a few hundred.
PHOTO_COLOURS = 4096
#: Background, text and bars; quantization does not change these.
EXACT_COLOURS = ((255, 255, 255), (0, 0, 0), (0, 0, 255), (255, 0, 0), (119, 119, 119))
#: Level 9 saves 2 % more, for twice the time. Of photos even 8 saves nothing.
COMPRESS_LEVEL, PHOTO_COMPRESS_LEVEL = 8, 6


def encode(image: Image.Image) -> bytes:
    """The file of an image in RGB."""
    file = io.BytesIO()
    if image.getcolors(PHOTO_COLOURS) is None:
        image.save(file, "PNG", compress_level=PHOTO_COMPRESS_LEVEL)
    else:
        _flat(image).save(file, "PNG", compress_level=COMPRESS_LEVEL)
    return file.getvalue()


def _flat(image: Image.Image) -> Image.Image:
    """Reduce to a palette chosen from every other pixel, which takes a quarter of the time.
    EXACT_COLOURS do not change."""
    part = image.resize((image.width // 2, image.height // 2), Image.Resampling.NEAREST)
    chosen = part.quantize(COLOURS - len(EXACT_COLOURS), Image.Quantize.MAXCOVERAGE)
    flat = image.quantize(palette=chosen, dither=Image.Dither.NONE)
    pixels, indices = np.asarray(image), np.array(flat)
    palette = (chosen.getpalette() or [])[: 3 * (COLOURS - len(EXACT_COLOURS))]
    codes = _codes(pixels)
    for colour in EXACT_COLOURS:
        indices[codes == _codes(np.array(colour))] = len(palette) // 3
        palette += colour
    result = Image.fromarray(indices)
    result.putpalette(palette)
    return result


def _codes(colours: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    """Each colour [..., 3] as one number [...]."""
    red, green, blue = np.moveaxis(colours.astype(np.uint32), -1, 0)
    codes: npt.NDArray[np.uint32] = red << 16 | green << 8 | blue
    return codes
