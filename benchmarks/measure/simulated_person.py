"""A simulated person who labels unsorted photos: knows the truth of each, and counts decisions.

One decision names the photos of a page that are alike, one more each photo that is another. Photos
that chance drew count one each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from shared.messages.folder_features import FolderFeatures
from shared.pipes.labelling import NextPage
from worker.labelling.__main__ import session_of
from worker.labelling.fitted import Fitted, fit
from worker.labelling.session import NONE, Session

#: Photos that are labelled by chance before the most doubtful ones are known.
FIRST = 20
#: With one image at a time, the number of decisions after which a head is fitted.
FIT_EVERY = 5

Labels = npt.NDArray[np.int64]


class Photos(NamedTuple):
    """The photos of a folder, and the truth that only the person knows."""

    features: FolderFeatures
    truth: Labels  #: [images]

    @property
    def stacks(self) -> Labels:
        """The stack of each image."""
        return np.frombuffer(self.features.stacks, "<u4").astype(np.int64)

    @property
    def of_stack(self) -> Labels:
        """The truth about the first image of each stack, which the person sees."""
        return self.truth[np.unique(self.stacks, return_index=True)[1]]


class Decided(NamedTuple):
    """A page after the person has decided."""

    decisions: int  #: so far
    why: str
    stacks: tuple[int, ...]


class Shown(Protocol):
    """A page, of a session or of the server."""

    @property
    def why(self) -> str: ...

    @property
    def stacks(self) -> Sequence[int]: ...


class Pages(Protocol):
    """What shows pages."""

    def first(self) -> Shown:
        """The first page."""

    def decide(self, page: Shown, labels: Sequence[int]) -> Shown:
        """Save the labels of a page, and show the next one."""


def labelled(pages: Pages, photos: Photos) -> Iterator[Decided]:
    """Each page, after the person has decided about it."""
    page, decisions, truth = pages.first(), 0, photos.of_stack
    while page.why != "end":
        labels = truth[list(page.stacks)]
        decisions += _cost(page.why, labels)
        shown = Decided(decisions, page.why, tuple(page.stacks))
        page = pages.decide(page, labels.tolist())
        yield shown


def _cost(why: str, labels: Labels) -> int:
    if why == "chance":
        return len(labels)
    return 1 + len(labels) - int(np.bincount(labels).max())


class SessionPages:
    """The same functions as behind the page, in this process."""

    def __init__(self, photos: Photos, seed: int) -> None:
        self.session: Session = session_of(photos.features, seed)
        self._numbers: dict[int, int] = {}  #: labels in the order of their first use, as the page's

    def first(self) -> Shown:
        """As `Pages`."""
        return self.session.next(NextPage())

    def decide(self, page: Shown, labels: Sequence[int]) -> Shown:
        """As `Pages`."""
        numbers = [self._numbers.setdefault(label, len(self._numbers)) for label in labels]
        chance = np.full(len(labels), page.why == "chance")
        self.session.decide(np.array(page.stacks), np.array(numbers), chance)
        self.session.learn()
        return self.session.next(NextPage())


def right(photos: Photos, stacks: Sequence[int]) -> float:
    """The share of all photos that are right after the person has named these stacks: theirs, and
    what a head takes the others for."""
    truth = photos.of_stack
    labels = np.full(len(truth), NONE)
    labels[list(stacks)] = truth[list(stacks)]
    guesses = labels.copy()
    if len(np.unique(labels[labels >= 0])) > 1:
        fitted = _fitted(photos, labels)
        guesses = np.where(labels >= 0, labels, fitted.guesses)
    return float((guesses[photos.stacks] == photos.truth).mean())


def _fitted(photos: Photos, labels: Labels) -> Fitted:
    width = photos.features.width
    rows = np.frombuffer(photos.features.rows, "<f2").reshape(-1, width).astype(np.float32)
    first = np.unique(photos.stacks, return_index=True)[1]
    return fit(rows[first], labels, int(labels.max()) + 1)


def by_chance(photos: Photos, seed: int) -> Iterator[int]:
    """Stacks one at a time, drawn by chance."""
    yield from np.random.default_rng(seed).permutation(len(photos.of_stack)).tolist()


def by_doubt(photos: Photos, seed: int) -> Iterator[int]:
    """Stacks one at a time, the one that a head is least confident of first."""
    truth = photos.of_stack
    labels = np.full(len(truth), NONE)
    order = np.random.default_rng(seed).permutation(len(truth))
    confidences = np.zeros(len(truth), np.float32)
    for number in range(len(truth)):
        if number >= FIRST and number % FIT_EVERY == 0:
            confidences = _fitted(photos, labels).confidences
        free = order[labels[order] == NONE]
        stack = int(free[0] if number < FIRST else free[confidences[free].argmin()])
        labels[stack] = truth[stack]
        yield stack


Order = Callable[[Photos, int], Iterator[int]]
