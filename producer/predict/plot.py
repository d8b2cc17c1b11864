"""Images beside their probabilities, as TensorFlow's tutorial draws them.

The only module of the producer that needs Matplotlib and Pillow. Processes of the worker's package
decode the images, as for a page (producer/pages/thumbnails.py).
"""

from __future__ import annotations

import io
import os
import textwrap
import warnings
from collections.abc import Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from producer.pages.thumbnails import Thumbnails
from producer.predict.predictions import Prediction
from producer.present.style import Keep, shortened
from producer.sources.local.reader import FileReader
from shared.image_status import Status
from shared.pipes.thumbnail import Thumbnail

#: The tutorial's colours: right, wrong, and neither.
RIGHT, WRONG, OTHER = "blue", "red", "#777777"
UNJUDGED = "black"  #: of a prediction without a true label
#: Up to this number all labels have a bar, in their order; of more, only the most probable ones.
STANDING_LABELS = 12
PANEL_INCHES = 2.2
#: The gap between two rows: a caption, the next title, and the names below the bars.
LEAST_GAP_INCHES, GAP_INCHES_PER_LETTER = 0.85, 0.045
MOST_PAIRS_PER_ROW = 3
NAME_LENGTH, MESSAGE_LENGTH = 20, 26
#: Larger images are reduced to this size, a little more than a panel has, and to these bytes.
SIDE_PIXELS, MAX_BYTES = 256, 100_000

_STYLE = {
    "figure.dpi": 100,
    "savefig.dpi": 100,
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "text.parse_math": False,  # a label may hold a dollar sign
}


def plot(paths: Sequence[bytes], predictions: Sequence[Prediction], labels: Sequence[str]) -> bytes:
    """A PNG file with each image and its probabilities.

    Raises:
        SetupError: the packages that decode images are missing, or do not start.
    """
    return _png(_decoded(paths, predictions), predictions, labels)


def _png(
    images: Sequence[Thumbnail], predictions: Sequence[Prediction], labels: Sequence[str]
) -> bytes:
    plain = {k: v for k, v in matplotlib.rcParamsDefault.items() if k != "backend"}
    with matplotlib.rc_context(plain | _STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # missing glyphs
        stream = io.BytesIO()
        figure = _figure(images, predictions, labels)
        figure.savefig(
            stream, format="png", bbox_inches="tight", pad_inches=0.12, metadata={"Software": None}
        )
        return stream.getvalue()


def _decoded(paths: Sequence[bytes], predictions: Sequence[Prediction]) -> list[Thumbnail]:
    """The image of each prediction, upright and reduced; or why there is none."""
    with Thumbnails(processes=1) as thumbnails:  # a start takes as long as ten images
        files = FileReader(os.getcwdb())

        def made(path: bytes, found: Prediction) -> Thumbnail:
            if found.status is not Status.OK:
                return Thumbnail(why=found.error)
            data, _ = files.read(path)
            if isinstance(data, Status):
                return Thumbnail(why=data.sentence)
            return thumbnails.make(data, SIDE_PIXELS, MAX_BYTES)

        return list(thumbnails.map(lambda pair: made(*pair), zip(paths, predictions, strict=True)))


def _figure(
    images: Sequence[Thumbnail], predictions: Sequence[Prediction], labels: Sequence[str]
) -> Figure:
    pairs_per_row = min(MOST_PAIRS_PER_ROW, len(images))
    rows = -(-len(images) // pairs_per_row)
    longest = max(len(_shortened(label)) for label in labels)
    gap = LEAST_GAP_INCHES / 2 + max(LEAST_GAP_INCHES / 2, longest * GAP_INCHES_PER_LETTER)
    figure = Figure((2 * pairs_per_row * PANEL_INCHES, rows * (PANEL_INCHES + gap)))
    figure.subplots_adjust(left=0, right=1, top=1, bottom=0, hspace=gap / PANEL_INCHES, wspace=0.12)
    for i, (image, prediction) in enumerate(zip(images, predictions, strict=True)):
        left, right = (figure.add_subplot(rows, 2 * pairs_per_row, 2 * i + n) for n in (1, 2))
        left.set_title(_shortened(os.path.basename(prediction.path)), fontsize=8, color=OTHER)
        left.set(xticks=[], yticks=[])
        _draw_image(left, image)
        if prediction.status is Status.OK:
            left.set_xlabel(_caption(prediction), color=_colour(prediction))
            _bars(right, prediction, labels)
        else:
            right.remove()
    return figure


def _draw_image(axes: Axes, made: Thumbnail) -> None:
    if not made.webp:
        _write_message(axes, made.why)
        return
    with Image.open(io.BytesIO(made.webp), formats=("WEBP",)) as image:
        axes.imshow(image)


def _write_message(axes: Axes, text: str) -> None:
    lines = textwrap.fill(text, MESSAGE_LENGTH)
    axes.text(0.5, 0.5, lines, ha="center", va="center", transform=axes.transAxes)
    axes.set_box_aspect(1)


def _caption(prediction: Prediction) -> str:
    predicted = f"{_shortened(prediction.label)} {prediction.confidence:.0%}"
    true = f"({_shortened(prediction.truth)})" if prediction.truth else ""
    return "\n".join(line for line in (predicted, true, prediction.flag) if line)


def _colour(prediction: Prediction) -> str:
    if not prediction.truth:
        return UNJUDGED
    return RIGHT if prediction.truth == prediction.label else WRONG


def _bars(axes: Axes, prediction: Prediction, labels: Sequence[str]) -> None:
    names = list(labels)
    if len(names) > STANDING_LABELS:
        names = list(prediction.probabilities)[:STANDING_LABELS]
        if prediction.truth and prediction.truth not in names:
            names[-1] = prediction.truth
    colours = [_bar_colour(prediction, name) for name in names]
    places = range(len(names))
    axes.bar(places, [prediction.probabilities[name] for name in names], color=colours)
    ticks = [_shortened(name) for name in names]
    axes.set_xticks(places, ticks, rotation=45, ha="right", fontsize=8)
    axes.tick_params(axis="x", length=2, pad=1)
    axes.set(ylim=(0, 1), yticks=[])
    axes.set_box_aspect(1)


def _bar_colour(prediction: Prediction, name: str) -> str:
    if name == prediction.truth:
        return RIGHT
    return _colour(prediction) if name == prediction.label else OTHER


def _shortened(text: str) -> str:
    """One printable line that fits below an image."""
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return shortened(line, NAME_LENGTH, Keep.ENDS, len)
