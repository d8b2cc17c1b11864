"""Images beside their probabilities, as TensorFlow's tutorial draws them.

The only module of the producer that needs Matplotlib and Pillow. It opens only files that a worker
has decoded, within the same limits.
"""

from __future__ import annotations

import io
import os
import textwrap
import warnings
from collections.abc import Sequence
from typing import cast

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from producer.inputs.reader import read
from producer.predict.predictions import Prediction
from producer.present.style import Keep, shortened
from shared.image_status import Status

#: The tutorial's colours: right, wrong, and neither.
RIGHT, WRONG, OTHER = "blue", "red", "#777777"
UNJUDGED = "black"  #: of a prediction without a true label
#: Up to this number all labels have a bar, in their order; of more, only the most probable ones.
STANDING_LABELS = 12
PANEL_INCHES = 2.2
#: The gap between two rows: a caption, the next title, and the names below the bars.
LEAST_GAP_INCHES, GAP_INCHES_PER_LETTER = 0.85, 0.045
MOST_PAIRS_BESIDE = 3
NAME_LENGTH, MESSAGE_LENGTH = 20, 26
#: Larger images are reduced to this size while they are read.
SIDE_PIXELS = 512
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "GIF", "TIFF")
#: Half of a worker's limit, since colours are converted before an image is reduced. A JPEG is
#: reduced while it is decoded.
MAX_PIXELS, MAX_JPEG_PIXELS = 50_000_000, 200_000_000
Image.MAX_IMAGE_PIXELS = MAX_JPEG_PIXELS // 2  # Pillow itself refuses at twice this
#: Modes with more than 256 grey levels; they are scaled from the darkest to the brightest.
WIDE_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")

_STYLE = {
    "figure.dpi": 100,
    "savefig.dpi": 100,
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "text.parse_math": False,  # a label may hold a dollar sign
}


def plot(paths: Sequence[bytes], predictions: Sequence[Prediction], labels: Sequence[str]) -> bytes:
    """A PNG file with each image and its probabilities."""
    plain = {k: v for k, v in matplotlib.rcParamsDefault.items() if k != "backend"}
    with matplotlib.rc_context(plain | _STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # missing glyphs, large images
        stream = io.BytesIO()
        figure = _figure(paths, predictions, labels)
        figure.savefig(
            stream, format="png", bbox_inches="tight", pad_inches=0.12, metadata={"Software": None}
        )
        return stream.getvalue()


def _figure(
    paths: Sequence[bytes], predictions: Sequence[Prediction], labels: Sequence[str]
) -> Figure:
    beside = min(MOST_PAIRS_BESIDE, len(paths))
    rows = -(-len(paths) // beside)
    longest = max(len(_shortened(label)) for label in labels)
    gap = LEAST_GAP_INCHES / 2 + max(LEAST_GAP_INCHES / 2, longest * GAP_INCHES_PER_LETTER)
    figure = Figure((2 * beside * PANEL_INCHES, rows * (PANEL_INCHES + gap)))
    figure.subplots_adjust(left=0, right=1, top=1, bottom=0, hspace=gap / PANEL_INCHES, wspace=0.12)
    for i, (path, found) in enumerate(zip(paths, predictions, strict=True)):
        left, right = (figure.add_subplot(rows, 2 * beside, 2 * i + n) for n in (1, 2))
        left.set_title(_shortened(os.path.basename(found.path)), fontsize=8, color=OTHER)
        left.set(xticks=[], yticks=[])
        if found.status is Status.OK:
            _draw_image(left, path)
            left.set_xlabel(_caption(found), color=_colour(found))
            _bars(right, found, labels)
        else:
            _write_message(left, found.error)
            right.remove()
    return figure


def _draw_image(axes: Axes, path: bytes) -> None:
    image = _open(path)
    if image is None:
        _write_message(axes, "The image cannot be displayed.")
    else:
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)


def _open(path: bytes) -> Image.Image | None:
    """The image, upright and reduced; None if it cannot be read."""
    data, _ = read(path)
    if isinstance(data, Status):
        return None
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            limit = MAX_JPEG_PIXELS if image.format == "JPEG" else MAX_PIXELS
            if image.width * image.height > limit:
                return None
            image.draft("RGB", (SIDE_PIXELS, SIDE_PIXELS))
            return _small(image)
    except Exception:  # Pillow's plugins raise errors of any class
        return None


def _small(image: Image.Image) -> Image.Image:
    if image.mode in WIDE_MODES:
        image = image.convert("F")
    elif image.mode not in ("L", "RGB", "RGBA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image.thumbnail((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.BOX)
    return ImageOps.exif_transpose(_scaled(image) if image.mode == "F" else image)


def _scaled(image: Image.Image) -> Image.Image:
    """Grey levels from the darkest to the brightest as 0 to 255."""
    darkest, brightest = cast(tuple[float, float], image.getextrema())
    scale = 255 / ((brightest - darkest) or 1.0)
    return image.point(lambda shade: shade * scale - darkest * scale).convert("L")


def _write_message(axes: Axes, text: str) -> None:
    lines = textwrap.fill(text, MESSAGE_LENGTH)
    axes.text(0.5, 0.5, lines, ha="center", va="center", transform=axes.transAxes)
    axes.set_box_aspect(1)


def _caption(found: Prediction) -> str:
    predicted = f"{_shortened(found.label)} {found.confidence:.0%}"
    true = f"({_shortened(found.truth)})" if found.truth else ""
    return "\n".join(line for line in (predicted, true, found.flag) if line)


def _colour(found: Prediction) -> str:
    if not found.truth:
        return UNJUDGED
    return RIGHT if found.truth == found.label else WRONG


def _bars(axes: Axes, found: Prediction, labels: Sequence[str]) -> None:
    names = list(labels)
    if len(names) > STANDING_LABELS:
        names = list(found.probabilities)[:STANDING_LABELS]
        if found.truth and found.truth not in names:
            names[-1] = found.truth
    colours = [_bar_colour(found, name) for name in names]
    places = range(len(names))
    axes.bar(places, [found.probabilities[name] for name in names], color=colours)
    ticks = [_shortened(name) for name in names]
    axes.set_xticks(places, ticks, rotation=45, ha="right", fontsize=8)
    axes.tick_params(axis="x", length=2, pad=1)
    axes.set(ylim=(0, 1), yticks=[])
    axes.set_box_aspect(1)


def _bar_colour(found: Prediction, name: str) -> str:
    if name == found.truth:
        return RIGHT
    return _colour(found) if name == found.label else OTHER


def _shortened(text: str) -> str:
    """One printable line that fits below an image."""
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return shortened(line, NAME_LENGTH, Keep.ENDS, len)
