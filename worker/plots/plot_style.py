"""The style of Hangtag's plots, and their encoding as PNG.

Plots are drawn without pyplot, which has process-wide state. The user's matplotlibrc does not
change them: the same figures give the same bytes.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import BboxBase
from PIL import Image

from worker.datasets.examples import Labels

#: The tutorial's colours of a bar and its caption. The colour-blind can distinguish this blue and
#: red.
RIGHT, WRONG, OTHER = "blue", "red", "#777777"
#: Two lines of one diagram: blue and vermilion of Okabe and Ito, chosen for the colour-blind.
FIRST, SECOND = "#0072B2", "#D55E00"
FAINT = "#eeeeee"
DOTS_PER_INCH = 100
MARGIN_INCHES = 0.12
#: Plots are sent through Redis: a palette takes a third of the bytes, without a visible difference
#: in plots of grey images. Photos keep their colours.
COLOURS = 256
#: A plot with more colours contains photos. Antialiased text and bars have a few hundred.
PHOTO_COLOURS = 4096
#: Background, text and bars; quantization does not change these.
EXACT_COLOURS = ((255, 255, 255), (0, 0, 0), (0, 0, 255), (255, 0, 0), (119, 119, 119))
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
    """Turn a function that draws a figure into one that returns a PNG file."""

    @wraps(draw)
    def encoded(*args: P.args, **kwargs: P.kwargs) -> bytes:
        with matplotlib.rc_context(_changed()), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # a box is drawn instead
            return _encode(draw(*args, **kwargs))

    return encoded


def _changed() -> dict[str, Any]:
    """The settings that are not those of the style: Matplotlib takes its time to check each."""
    wanted = matplotlib.rcParamsDefault | _STYLE
    current = matplotlib.rcParams
    return {k: v for k, v in wanted.items() if k != "backend" and current[k] != v}


def _encode(figure: Figure) -> bytes:
    drawn, small = io.BytesIO(), io.BytesIO()
    box = _laid_out(figure)
    figure.savefig(drawn, format="png", bbox_inches=box, pil_kwargs={"compress_level": 0})
    with Image.open(drawn) as image:
        whole = image.convert("RGB")
    flat = whole if whole.getcolors(PHOTO_COLOURS) is None else _flat(whole)
    flat.info.clear()  # no dates, no program names
    # Of photos a better compression saves a twentieth, for four times the time.
    flat.save(small, "PNG", optimize=flat is not whole)
    return small.getvalue()


def _laid_out(figure: Figure) -> BboxBase:
    """Lay the figure out once; return its frame in inches, with text beyond the figure.

    With bbox_inches="tight" Matplotlib draws a figure twice for the same frame.
    """
    renderer = FigureCanvasAgg(figure).get_renderer()
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")
    return figure.get_tightbbox(renderer).padded(MARGIN_INCHES)


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


def shortened(label: str, limit: int) -> str:
    """A label as one line of at most `limit` characters, with the middle left out."""
    text = " ".join(label.encode(errors="replace").decode().split())
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 3
    return text[: limit - 1 - tail] + ELLIPSIS + text[len(text) - tail :]


def some(truth: Labels, count: int) -> npt.NDArray[np.intp]:
    """Indices of images to draw: the first `count`, or evenly spaced if sorted by label."""
    total = len(truth)
    count = min(count, total)
    if total and np.all(np.diff(truth) >= 0):
        return np.arange(count) * total // max(count, 1)
    return np.arange(count)
