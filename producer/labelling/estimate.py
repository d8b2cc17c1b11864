"""How many images are probably right, from those that were drawn by chance."""

from __future__ import annotations

import math

import msgspec

from shared.pipes.labelling import Counts

#: Of fewer images drawn by chance nothing is said.
LEAST_CHECKED = 12
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


def standing(counts: Counts) -> Standing:
    """The counts with an estimate: what a person has named is right, and of the others the share
    that a head guessed right which had not learned from them."""
    low = high = None
    wanted = counts.images - counts.without
    if counts.checked >= LEAST_CHECKED and wanted:
        rest = wanted - counts.named
        low, high = (
            (counts.named + rest * share) / wanted for share in wilson(counts.right, counts.checked)
        )
    return Standing(
        counts.images, counts.named, counts.without, counts.sure,
        counts.checked, counts.right, low, high,
    )  # fmt: skip


def wilson(right: int, count: int, errors: float = NINE_OF_TEN) -> tuple[float, float]:
    """The range of a share of which `right` of `count` were seen (Wilson, 1927)."""
    share, square = right / count, errors * errors / count
    middle = (share + square / 2) / (1 + square)
    half = errors * math.sqrt(share * (1 - share) / count + square / (4 * count)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)
