"""What the heading of the page says of a folder."""

from __future__ import annotations

import msgspec

from shared.messages.model_card import RightOfOthers
from shared.pipes.labelling import Counts


class Standing(msgspec.Struct, frozen=True):
    """Images, near-duplicates counted. The others are neither named nor left out."""

    images: int
    named: int  #: by a person
    without: int  #: left out, or a person cannot tell
    sure: int  #: of the others, those that the head is sure of at 95 %
    drawn: int  #: stacks that were drawn by chance, and decided
    share: float | None = None  #: of the others, what is right; None: too few were drawn
    low: float | None = None  #: of its 90 % range
    high: float | None = None

    @property
    def others(self) -> int:
        """Images that are neither named nor left out."""
        return self.images - self.named - self.without

    @property
    def right_of_others(self) -> RightOfOthers | None:
        """The share with its range."""
        if self.share is None or self.low is None or self.high is None:
            return None
        return RightOfOthers(self.drawn, self.share, self.low, self.high)


def standing(counts: Counts) -> Standing:
    """The heading for what a session has counted."""
    return Standing(**msgspec.structs.asdict(counts))
