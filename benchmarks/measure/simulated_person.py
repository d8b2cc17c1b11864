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
from worker.labelling.folder_rows import stack_rows
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


class Reached(NamedTuple):
    """What some decisions brought. Shares of all photos, but of `accepted_right`."""

    right: float
    accepted: float  #: without a decision, and the head is sure
    accepted_right: float  #: the share of these that is right; 1 if there are none


class SessionPages:
    """The same functions as behind the page, in this process."""

    def __init__(self, photos: Photos, seed: int) -> None:
        self._photos = photos
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
        self.session.judge()
        self.session.foresee()
        return self.session.next(NextPage())

    def reached(self) -> Reached:
        """After the pages so far."""
        numbers = [self._numbers.get(label, NONE) for label in self._photos.of_stack.tolist()]
        decided, fitted = self.session.learned
        return _reached(self._photos, np.array(numbers), decided, fitted, self.session.surest)


def reached(photos: Photos, order: Sequence[int], marks: Sequence[int]) -> list[Reached]:
    """After the person has named this number of stacks one at a time, in this order."""
    session, truth = session_of(photos.features, 0), photos.of_stack
    seen = []
    for mark in marks:
        stacks = np.array(order[:mark])
        session.decide(stacks, truth[stacks], np.zeros(len(stacks), bool))
        session.learn()
        session.judge()
        seen.append(_reached(photos, truth, *session.learned, session.surest))
    return seen


def _reached(
    photos: Photos, truth: Labels, labels: Labels, fitted: Fitted | None, surest: Labels
) -> Reached:
    """What the person has named is right, and of the others what a head takes them for. `truth`
    and `labels` are those of stacks; `surest` are the stacks that are accepted."""
    stacks = photos.stacks
    if fitted is None:
        return Reached(float((labels >= 0)[stacks].mean()), 0.0, 1.0)
    right = np.where(labels >= 0, labels, fitted.guesses) == truth
    accepted = np.isin(stacks, surest)
    share = float(right[stacks][accepted].mean()) if accepted.any() else 1.0
    return Reached(float(right[stacks].mean()), float(accepted.mean()), share)


def by_chance(photos: Photos, seed: int) -> Iterator[int]:
    """Stacks one at a time, drawn by chance."""
    yield from np.random.default_rng(seed).permutation(len(photos.of_stack)).tolist()


def by_doubt(photos: Photos, seed: int) -> Iterator[int]:
    """Stacks one at a time, the one that a head is least confident of first."""
    truth, (rows, _) = photos.of_stack, stack_rows(photos.features)
    labels = np.full(len(truth), NONE)
    order = np.random.default_rng(seed).permutation(len(truth))
    confidences = np.zeros(len(truth), np.float32)
    for number in range(len(truth)):
        if number >= FIRST and number % FIT_EVERY == 0:
            confidences = fit(rows, labels, int(labels.max()) + 1).confidences
        free = order[labels[order] == NONE]
        stack = int(free[0] if number < FIRST else free[confidences[free].argmin()])
        labels[stack] = truth[stack]
        yield stack


Order = Callable[[Photos, int], Iterator[int]]
