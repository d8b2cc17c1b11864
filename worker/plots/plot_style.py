"""The style of Hangtag's plots."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from worker.datasets.examples import Labels

#: The tutorial's colours of a bar and its caption. The colour-blind can distinguish this blue and
#: red.
RIGHT, WRONG, OTHER = "blue", "red", "#777777"
UNJUDGED = "black"  #: of a prediction without a known label
#: Two lines of one diagram: blue and vermilion of Okabe and Ito, chosen for the colour-blind.
FIRST, SECOND = "#0072B2", "#D55E00"
FAINT = "#eeeeee"
DOTS_PER_INCH = 100
MARGIN_INCHES = 0.12
ELLIPSIS = "…"


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
