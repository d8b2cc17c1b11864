"""What a version of a labels file has right of the images that no person has named, as text."""

from __future__ import annotations

from producer.present.formatting import percent
from shared.messages.model_card import RightOfOthers

OF_OTHERS = "of the images without a name right"


def range_of(right: RightOfOthers) -> str:
    """The 90 % range of the share, and what it is from."""
    low, high = percent(right.low, 0).removesuffix("%"), percent(right.high, 0)
    return f"{low} to {high}, from {right.drawn:,} drawn by chance"


def sentence(right: RightOfOthers) -> str:
    """The share with its range."""
    return f"{percent(right.share, 0)} {OF_OTHERS} ({range_of(right)})"
