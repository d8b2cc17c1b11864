"""What the page said that the next 50 decisions would bring, beside what they brought."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from shared.pipes.labelling import Counts
from worker.labelling.forecast import AHEAD

#: The numbers of decisions after which it is asked: seven of each draw.
ASKED = (70, 100, 130, 160, 190, 220, 250)
#: A range may be this wide, or half as wide as what the last 50 decisions brought.
WIDE = 0.02


class AfterPage(NamedTuple):
    """What was so after a page: of the draws, the decisions, the share of all right, and counts."""

    decisions: int
    right: float
    counts: Counts


class Foretold(NamedTuple):
    """A prediction. Shares of all photos."""

    last: float  #: what the last 50 decisions brought
    brought: float  #: what the next 50 brought
    low: float | None  #: None: it could not be told
    high: float | None


def foretold(pages: Sequence[AfterPage]) -> list[Foretold]:
    """The predictions of a draw."""
    decisions, right = [page.decisions for page in pages], [page.right for page in pages]
    made = []
    for asked in ASKED:
        page = [page for page in pages if page.decisions <= asked][-1]
        last, now, then = np.interp(page.decisions + np.array([-AHEAD, 0, AHEAD]), decisions, right)
        gain = page.counts.gain_low, page.counts.gain_high
        made.append(Foretold(float(now - last), float(then - now), *gain))
    return made


def sentence(predictions: Sequence[Foretold]) -> str:
    """How many held, how wide they were, and how often nothing was told."""
    told = [(one, one.low, one.high) for one in predictions if one.low is not None]
    held = [low <= one.brought <= (high or 0) for one, low, high in told]
    widths = [(high or 0) - low for _, low, high in told]
    narrow = [
        width <= max(WIDE, one.last / 2) + 1e-9
        for (one, _, _), width in zip(told, widths, strict=True)
    ]
    told_well = f"{len(told)} told, of which {sum(held)} held ({np.mean(held):.0%})"
    return (
        f"next {AHEAD}: {len(predictions)} predictions, {told_well} and {sum(narrow)} were narrow "
        f"enough ({np.mean(narrow):.0%}), {100 * np.mean(widths):.1f} points wide in the mean"
    )
