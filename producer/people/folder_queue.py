"""What the page of one folder shows: the next stacks, their pictures, and what is known so far."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Literal

import msgspec

from producer.pages.thumbnails import Thumbnails
from producer.people.decisions import Decisions, RefusedImage
from producer.people.estimate import Standing, standing
from producer.people.folder_images import FolderImages
from producer.people.learner import Learner, StackLabel
from shared.labels.labels_so_far import Decided
from shared.pipes.labelling import NO_LABEL, Page
from shared.pipes.thumbnail import Thumbnail

#: Stacks of a label that are shown together: of more, those most unlike the others.
MOST_TOGETHER = 2_000
#: The numbers of decisions without a label, for the process that learns.
_WITHOUT = {"left-out": NO_LABEL - 1, "cannot-tell": NO_LABEL - 2}
_UNDECIDED = StackLabel(NO_LABEL, False)


class ShownStack(msgspec.Struct, frozen=True):
    """An image of a page, with its near-duplicates."""

    stack: int
    path: str  #: of the first image
    images: int
    guess: str  #: empty as long as there are not two labels
    confidence: float
    decided: Decided | None
    proposals: list[str] = []  #: of a page of `naming`: the best guesses, at most three
    taken_back: Decided | None = None  #: what was decided about it until an undo


class ShownPage(msgspec.Struct, frozen=True):
    """What is shown together, and why."""

    why: Literal["group", "label", "chance", "naming", "similar", "together", "end", "undone"]
    label: str  #: that all of them seem to have; empty if none
    stacks: list[ShownStack]
    total: int  #: the stacks that there are, of which these are the first


class FolderFacts(msgspec.Struct, frozen=True):
    """What does not depend on a page."""

    id: str  #: unique for each start of a server
    name: str
    file: str  #: the labels file
    images: int
    stacks: int
    unreadable: int
    labels: list[str]
    standing: Standing
    by_folders: int  #: of the named images, those whose label no person has seen


class Saved(msgspec.Struct, frozen=True):
    """The reply to a decision: when it arrives, everything but `refused` is saved."""

    refused: list[RefusedImage]
    labels: list[str]
    standing: Standing
    by_folders: int
    page: ShownPage | None  #: None if none was asked for


class Desk:
    """One folder. `decisions` are known to the learner from the start."""

    def __init__(
        self,
        name: str,
        file: str,
        unreadable: int,
        images: FolderImages,
        decisions: Decisions,
        learner: Learner,
        thumbnails: Thumbnails,
    ) -> None:
        self.images = images
        self.id = secrets.token_hex(8)
        self._name, self._file, self._unreadable = name, file, unreadable
        self._decisions, self._learner, self._thumbnails = decisions, learner, thumbnails
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []  #: by number
        self._proposals: dict[int, Sequence[int]] = {}  #: of stacks that were to be named
        self._learn(range(len(images.stacks)))

    def suggest(self, labels: Mapping[int, str]) -> None:
        """Have the head learn from labels of a model, as long as nothing is decided about them."""
        self._learner.suggest({stack: self._number(label) for stack, label in labels.items()})

    def folder(self) -> FolderFacts:
        """The heading of the page."""
        return FolderFacts(
            self.id, self._name, self._file, len(self.images), len(self.images.stacks),
            self._unreadable, self._decisions.labels, self.standing(),
            self._decisions.by_folders(),
        )  # fmt: skip

    def standing(self, *, settled: bool = False) -> Standing:
        """What is known so far; `settled`: by a head that knows every decision."""
        return standing(self._learner.counts(settled))

    def next(
        self,
        without: Collection[int] = (),
        *,
        settled: bool = False,
        since: float | None = None,
    ) -> ShownPage:
        """The next page, without stacks that another page shows. A person waits for it since this
        time of the monotonic clock, None: now."""
        since = time.monotonic() if since is None else since
        page = self._learner.next(sorted(without), settled, since)
        if page.why == "chance":
            self._decisions.draw(page.stacks)
        return self._shown(page)

    def similar(self, stack: int) -> ShownPage:
        """The stacks that are most like one."""
        return self._shown(self._learner.similar(stack))

    def together(self, decided: Decided) -> ShownPage:
        """The stacks about which this was decided, the most unlike the others first.

        Raises UsageError if no image has the label.
        """
        if decided.label:
            self._decisions.check_known(decided.label)
        page = self._learner.together(self._number_of(decided))
        return self._shown(page, most=MOST_TOGETHER)

    def decide(
        self,
        given: Mapping[int, Decided | None],
        without: Collection[int],
        *,
        settled: bool = False,
        next_page: bool = True,
    ) -> Saved:
        """Save decisions about stacks; the next page leaves `without` out."""
        since = time.monotonic()
        refused = self._decisions.decide(given)
        self._learn(given)
        if not next_page:
            return self._saved(refused, None)
        return self._saved(refused, self.next(without, settled=settled, since=since))

    def undo(self) -> Saved | None:
        """Take the last decision back, and show it again; None if there is none."""
        taken = self._decisions.undo()
        if taken is None:
            return None
        self._learn(taken or range(len(self.images.stacks)))
        stacks = [
            msgspec.structs.replace(
                self._stack(stack, NO_LABEL, 0.0, proposed=True), taken_back=decided
            )
            for stack, decided in taken.items()
        ]
        page = ShownPage("undone", "", stacks, len(stacks)) if taken else self.next(settled=True)
        return self._saved([], page)

    def relabel(self, before: str, after: str) -> Saved:
        """Rename a label, or merge it with another one."""
        return self.change(partial(self._decisions.relabel, before, after))

    def change(self, act: Callable[[], None]) -> Saved:
        """Have decisions about any of the stacks changed, and show the next page: by a head that
        knows them, since another one may guess a label that is gone."""
        act()
        self._learn(range(len(self.images.stacks)))
        return self._saved([], self.next(settled=True))

    def picture(self, stack: int, side: int) -> Thumbnail:
        """The first image of a stack, decoded and encoded again."""
        content = self.images.content(self.images.stacks[stack][0])
        if isinstance(content, str):
            return Thumbnail(why=f"The file {content}.")
        return self._thumbnails.make(content, side)

    def _saved(self, refused: list[RefusedImage], page: ShownPage | None) -> Saved:
        labels, by_folders = self._decisions.labels, self._decisions.by_folders()
        return Saved(refused, labels, self.standing(), by_folders, page)

    def _learn(self, stacks: Collection[int]) -> None:
        """Let the process know what holds for these stacks."""
        if stacks:
            self._learner.decide({stack: self._stack_label(stack) for stack in stacks})

    def _stack_label(self, stack: int) -> StackLabel:
        decided = self._decisions.of(stack)
        excluded = [self._number(name) for name in self._decisions.excluded(stack)]
        if decided is None and not excluded:
            return _UNDECIDED
        number = NO_LABEL if decided is None else self._number_of(decided)
        return StackLabel(number, self._decisions.was_drawn(stack), excluded)

    def _number_of(self, decided: Decided) -> int:
        number = _WITHOUT.get(decided.kind)
        return self._number(decided.label) if number is None else number

    def _number(self, label: str) -> int:
        with self._lock:  # for pages in several tabs
            if label not in self._numbers:
                self._numbers[label] = len(self._names)
                self._names.append(label)
            return self._numbers[label]

    def _label(self, number: int) -> str:
        return self._names[number] if number >= 0 else ""

    def _shown(self, page: Page, most: int | None = None) -> ShownPage:
        self._proposals |= zip(page.stacks, page.proposals, strict=False)
        columns = zip(page.stacks, page.guesses, page.confidences, strict=True)
        proposed = page.why == "naming"
        stacks = [self._stack(*column, proposed=proposed) for column in islice(columns, most)]
        return ShownPage(page.why, self._label(page.label), stacks, len(page.stacks))

    def _stack(
        self, stack: int, guess: int, confidence: float, *, proposed: bool = False
    ) -> ShownStack:
        images, proposals = self.images.stacks[stack], list[str]()
        excluded, label = self._decisions.excluded(stack), self._label(guess)
        if label in excluded:  # of every label, or of one that the head does not know of yet
            label, confidence = "", 0.0
        if proposed:
            labels = map(self._label, self._proposals.get(stack, ()))
            proposals = [label for label in labels if label and label not in excluded]
        return ShownStack(
            stack, self.images.name(images[0]), len(images), label, confidence,
            self._decisions.of(stack), proposals,
        )  # fmt: skip
