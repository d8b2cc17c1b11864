"""How Hangtag's pictures look, and how a drawing becomes the bytes of a PNG file.

Figures are made and drawn without pyplot, whose state belongs to the process. Nobody's matplotlibrc
changes them: the same figures give the same bytes.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from worker.datasets.examples import Labels

#: The tutorial's colours of a bar and its caption. Blue and red of this kind are told apart by the
#: colour-blind, too.
RIGHT, WRONG, OTHER = "blue", "red", "#777777"
#: Two lines of one diagram: blue and vermilion of Okabe and Ito, made for the colour-blind.
FIRST, SECOND = "#0072B2", "#D55E00"
FAINT = "#eeeeee"
DOTS_PER_INCH = 100
MARGIN_INCHES = 0.12
#: Pictures travel through Redis: a third of the bytes, and even of photos nothing to see.
COLOURS = 256
#: Those of paper, ink, and the bars.
KEPT = ((255, 255, 255), (0, 0, 0), (0, 0, 255), (255, 0, 0), (119, 119, 119))
ELLIPSIS = "…"

P = ParamSpec("P")

_STYLE = {
    "figure.dpi": DOTS_PER_INCH,
    "savefig.dpi": DOTS_PER_INCH,
    "font.family": ["DejaVu Sans"],  # comes with Matplotlib
    "text.parse_math": False,  # a label may hold a dollar sign
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def png_plot(draw: Callable[P, Figure]) -> Callable[P, bytes]:
    """Make a function that draws into one that answers with a PNG file."""

    @wraps(draw)
    def encoded(*args: P.args, **kwargs: P.kwargs) -> bytes:
        plain = {k: v for k, v in matplotlib.rcParamsDefault.items() if k != "backend"}
        with matplotlib.rc_context(plain | _STYLE), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # a box stands for it
            return _encode(draw(*args, **kwargs))

    return encoded


def _encode(figure: Figure) -> bytes:
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(
        drawn,
        format="png",
        bbox_inches="tight",  # what reaches out of the figure is not cut off
        pad_inches=MARGIN_INCHES,
        pil_kwargs={"compress_level": 0},
    )
    with Image.open(drawn) as image:
        flat = _flat(image.convert("RGB"))
    flat.info.clear()  # no dates, no names of programs
    flat.save(small, "PNG", optimize=True)
    return small.getvalue()


def _flat(image: Image.Image) -> Image.Image:
    """The same with few colours, chosen from every other pixel: that takes a quarter of the time.

    They are chosen by what they cover, which makes small files of photos. KEPT is kept exactly.
    """
    part = image.resize((image.width // 2, image.height // 2), Image.Resampling.NEAREST)
    chosen = part.quantize(COLOURS - len(KEPT), Image.Quantize.MAXCOVERAGE)
    flat = image.quantize(palette=chosen, dither=Image.Dither.NONE)
    pixels, indices = np.asarray(image), np.array(flat)
    palette = (chosen.getpalette() or [])[: 3 * (COLOURS - len(KEPT))]
    for colour in KEPT:
        indices[(pixels == colour).all(-1)] = len(palette) // 3
        palette += colour
    kept = Image.fromarray(indices)
    kept.putpalette(palette)
    return kept


def draw_image(axes: Axes, image: npt.NDArray[np.uint8]) -> None:
    """Draw uint8 [height, width, channels]: grey as ink on paper, colour as it is; no ticks."""
    pixels = image[..., 0] if image.shape[-1] == 1 else image
    axes.imshow(pixels, cmap="binary", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)


def shortened(label: str, limit: int) -> str:
    """A label as one line of at most `limit` characters; what is left out is in the middle."""
    text = " ".join(label.encode(errors="replace").decode().split())
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 3
    return text[: limit - 1 - tail] + ELLIPSIS + text[len(text) - tail :]


def some(truth: Labels, count: int) -> npt.NDArray[np.intp]:
    """Which images to show: the first `count`; of a set that is sorted by label, evenly spread."""
    total = len(truth)
    count = min(count, total)
    if total and np.all(np.diff(truth) >= 0):
        return np.arange(count) * total // max(count, 1)
    return np.arange(count)
