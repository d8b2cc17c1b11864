"""How many images are probably right, from those that were drawn by chance."""

from __future__ import annotations

import math

import msgspec

from shared.labels.given_label import LEAST_DRAWN
from shared.pipes.labelling import Counts

#: Standard errors of a range that holds in nine of ten cases.
NINE_OF_TEN = 1.645


class Standing(msgspec.Struct, frozen=True):
    """What the heading of the page says. Shares are of all images that were not left out."""

    images: int
    named: int  #: by a person
    without: int  #: left out, or a person cannot tell
    sure: int  #: of the others, those that the head is sure of
    checked: int
    right: int
    low: float | None  #: the share that is probably right, as a range; None: too few were checked
    high: float | None
    share: str  #: this range in words; empty: too few were checked
    #: The share of all images right that 50 more decisions would add; None: it cannot be told.
    gain_low: float | None
    gain_high: float | None


def standing(counts: Counts) -> Standing:
    """The counts with an estimate: what a person has named is right, and of the others a share that
    images drawn by chance show."""
    low = high = None
    wanted = counts.images - counts.without
    if counts.checked >= LEAST_DRAWN and wanted:
        rest = wanted - counts.named
        errors = NINE_OF_TEN * counts.error
        low, high = (
            (counts.named + rest * min(1.0, max(0.0, share))) / wanted
            for share in (counts.share - errors, counts.share + errors)
        )
    return Standing(
        counts.images, counts.named, counts.without, counts.sure,
        counts.checked, counts.right, low, high, "" if low is None else _in_words(low, high or 0.0),
        counts.gain_low, counts.gain_high,
    )  # fmt: skip


def _in_words(low: float, high: float) -> str:
    """A range in whole percents: no 100% as long as images have no label by a person, since no
    sample shows that, and not from a number to the same one."""
    least, most = round(100 * low), round(100 * high)
    if most == 100:
        return f"at least {math.floor(100 * low)}%" if low < 1 else "100%"
    return f"about {most}%" if least == most else f"{least}% to {most}%"
