"""The exchange with `python -m worker.labelling`: the features of a folder, then decisions and
questions in, each with one reply (shared/messages/framing.py). What needs no decisions
is one order with the features (FindGroups, FindSimilar).

A stack is an image with its near-duplicates; a label is a number that the producer gives.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

#: In place of the number of a label: nothing is decided about the image. A smaller number: a
#: person has left it out, or cannot tell.
NO_LABEL = -1
#: Why these stacks are on a page. `chance`: none was chosen. `naming`: they were clicked away, and
#: are to be named one at a time. `end`: no stack is left.
Why = Literal["group", "label", "chance", "naming", "similar", "together", "end"]


class Start(msgspec.Struct, frozen=True, tag=True):
    """The first order. Its reply is `Noted`."""

    features: bytes  #: FolderFeatures, encoded
    seed: int = 0


class Decide(msgspec.Struct, frozen=True, tag=True):
    """Decisions about stacks, by columns. The reply, `Noted`, does not wait for the head."""

    stacks: list[int]
    labels: list[int]
    by_chance: list[bool]
    excluded: list[list[int]] = []  #: of each stack the labels that it does not have


class Suggest(msgspec.Struct, frozen=True, tag=True):
    """Labels of a model, by columns: the head learns from them as long as nothing is decided about
    the stack. The reply is `Noted`."""

    stacks: list[int]
    labels: list[int]


class NextPage(msgspec.Struct, frozen=True, tag=True):
    """A question; the reply is a `Page`."""

    without: list[int] = []  #: stacks
    settled: bool = False  #: wait for the head that has learned from every decision
    spent_s: float = 0.0  #: since a person wants it: a page waits this much less for a head


class Similar(msgspec.Struct, frozen=True, tag=True):
    """A question; the reply is a `Page`."""

    stack: int


class Together(msgspec.Struct, frozen=True, tag=True):
    """A question; the reply is a `Page` of all stacks with a label, or of those that were decided
    without one. Its guesses are those of heads that did not learn from them."""

    label: int


class Count(msgspec.Struct, frozen=True, tag=True):
    """A question; the reply is `Counts`."""

    settled: bool = False


class FindGroups(msgspec.Struct, frozen=True, tag=True):
    """The reply is `Groups`."""

    features: bytes  #: FolderFeatures, encoded
    count: int = 0  #: the most groups; 0: as many as suit the folder
    seed: int = 0


class FindSimilar(msgspec.Struct, frozen=True, tag=True):
    """The reply is `SimilarImages`."""

    features: bytes  #: FolderFeatures, encoded
    image: int  #: its number
    count: int


class Noted(msgspec.Struct, frozen=True, tag=True):
    """An order without a question was carried out."""


class Page(msgspec.Struct, frozen=True, tag=True):
    """Stacks to show, by columns."""

    why: Why
    label: int = NO_LABEL  #: that they seem to have, all together
    stacks: list[int] = []
    guesses: list[int] = []
    confidences: list[float] = []
    proposals: list[list[int]] = []  #: of `naming`: the best guesses for each stack, at most three


class Counts(msgspec.Struct, frozen=True, tag=True):
    """Images, near-duplicates counted."""

    images: int
    named: int  #: with a label by a person
    without: int  #: decided without a label
    sure: int = 0  #: without a decision, and the head is sure; a median of some heads
    drawn: int = 0  #: stacks that were drawn by chance, and decided
    #: The share that is right of the images without a decision, with its 90 % range; None: too few
    #: were drawn.
    share: float | None = None
    low: float | None = None
    high: float | None = None


class Groups(msgspec.Struct, frozen=True, tag=True):
    """Groups of alike stacks, the largest first; in each the most typical stack first."""

    stacks: list[list[int]]


class SimilarImages(msgspec.Struct, frozen=True, tag=True):
    """Images by number, the most similar first, by columns."""

    images: list[int]
    likeness: list[float]  #: from 0 to 1


Order: TypeAlias = (
    Start | Decide | Suggest | NextPage | Similar | Together | Count | FindGroups | FindSimilar
)
Reply: TypeAlias = Noted | Page | Counts | Groups | SimilarImages
