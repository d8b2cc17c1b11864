"""The images of a folder, which a head that learns from each decision orders."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import islice

from msgspec.structs import replace

from producer.pages.thumbnails import Thumbnails
from producer.people.folder_decisions import FolderDecisions
from producer.people.folder_images import FolderImages
from producer.people.folder_names import FolderNames
from producer.people.learner import Learner, StackLabel
from producer.people.next_steps import heading
from producer.people.queue import (
    Decide,
    Facts,
    Item,
    Page,
    ProposedFolder,
    Queue,
    Refused,
    Saved,
    number,
)
from producer.present.formatting import counted
from shared.errors import UsageError
from shared.labels.labels_so_far import Decided
from shared.messages import labelling
from shared.messages.helpers import Thumbnail
from shared.messages.labelling import NO_LABEL, Count, Counts, Similar, Together

#: Stacks of a label that are shown together: of more, those most unlike the others.
MOST_TOGETHER = 2_000
#: The numbers of decisions without a label, for the process that learns.
_WITHOUT = {"left-out": NO_LABEL - 1, "cannot-tell": NO_LABEL - 2}


class FolderQueue(Queue):
    """An item is a stack: an image with its near-duplicates. `decisions` are known to the learner
    from the start."""

    command = "hangtag label"
    scripts = ("folder.js", "folder_words.js", "one_label.js", "folder_names.js")

    def __init__(
        self,
        name: str,
        file: str,
        unreadable: int,
        images: FolderImages,
        decisions: FolderDecisions,
        learner: Learner,
        thumbnails: Thumbnails,
        names: FolderNames,
    ) -> None:
        self.images, self._names = images, names
        self._name, self._file, self._unreadable = name, file, unreadable
        self.decisions, self._learner, self._thumbnails = decisions, learner, thumbnails
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._labels: list[str] = []  #: by number
        self._best: dict[int, Sequence[int]] = {}  #: guesses for stacks that were to be named
        self._learn(range(len(images.stacks)))

    def __len__(self) -> int:
        return len(self.images.stacks)

    def suggest(self, labels: Mapping[int, str]) -> None:
        """Have the head learn from labels of a model, as long as nothing is decided about them."""
        self._learner.suggest({stack: self._number(label) for stack, label in labels.items()})

    def facts(self, start: str) -> Facts:
        images, stacks = len(self.images), len(self)
        alike = f" in {counted(stacks, 'stack')}" if stacks < images else ""
        bad = f", {self._unreadable:,} unreadable" if self._unreadable else ""
        title = f"{self._name} — {counted(images, 'image')}{alike}{bad}, labels in {self._file}"
        labels = self.decisions.labels
        return Facts(start, self.command, self._name, title, labels, self._heading())

    def counts(self, *, settled: bool = False) -> Counts:
        """What is known so far; `settled`: by a head that knows every decision."""
        return self._learner.ask(Count(settled), Counts)

    def page(self, query: Mapping[str, str]) -> Page:
        """The next page; the stacks that are most `similar` to one; or those about which a `kind`
        of decision was taken, the most unlike the others first."""
        if similar := query.get("similar"):
            return self._page(
                self._learner.ask(Similar(number(similar, len(self))), labelling.Page)
            )
        if not (kind := query.get("kind")):
            return self._next()
        decided = Decided(kind, query.get("label", ""))  # type: ignore[arg-type]
        if kind not in ("label", *_WITHOUT) or bool(decided.label) != (kind == "label"):
            raise UsageError("there is no such kind of decision")
        if decided.label:
            self.decisions.check_known(decided.label)
        together = Together(self._number_of(decided))
        return self._page(self._learner.ask(together, labelling.Page), most=MOST_TOGETHER)

    def decide(self, given: Mapping[int, Decided | None], asked: Decide) -> Saved:
        since = time.monotonic()
        refused = self.decisions.decide(given)
        self._learn(given)
        if not asked.next_page:
            return self._saved(None, refused)
        return self._saved(self._next(asked.without, asked.settled, since), refused)

    def undo(self) -> Saved | None:
        taken = self.decisions.undo_stacks()
        if taken is None:
            return None
        self._learn(taken or range(len(self)))
        if not taken:
            return self._saved(self._next(settled=True))
        every = {stack: self._item(stack, NO_LABEL, 0.0, named=True) for stack in taken}
        items = [replace(item, taken_back=taken[stack]) for stack, item in every.items()]
        return self._saved(Page("undone", "", items, len(items)))

    def relabel(self, before: str, after: str) -> Saved:
        return self._change(partial(self.decisions.relabel, before, after))

    def proposed(self) -> list[ProposedFolder]:
        return self._names.proposed()

    def name_folders(self, names: Collection[str], is_label: bool) -> Saved:
        return self._change(partial(self._names.answer, names, is_label))

    def picture(self, item: int, side: int) -> Thumbnail:
        content = self.images.content(self.images.stacks[item][0])
        if isinstance(content, str):
            return Thumbnail(why=f"The file {content}.")
        return self._thumbnails.make(content, side)

    def _change(self, act: Callable[[], None]) -> Saved:
        """Have decisions about any of the stacks changed, and show the next page: by a head that
        knows them, since another one may guess a label that is gone."""
        act()
        self._learn(range(len(self)))
        return self._saved(self._next(settled=True))

    def _next(
        self, without: Collection[int] = (), settled: bool = False, since: float | None = None
    ) -> Page:
        """The next page, without stacks that another page shows. A person waits for it since this
        time of the monotonic clock, None: now."""
        since = time.monotonic() if since is None else since
        page = self._learner.next(sorted(without), settled, since)
        if page.why == "chance":
            self.decisions.draw(page.stacks)
        return self._page(page)

    def _saved(self, page: Page | None, refused: Sequence[Refused] = ()) -> Saved:
        return Saved(list(refused), self.decisions.labels, self._heading(), page)

    def _heading(self) -> str:
        return heading(self.counts(), self.decisions.by_folders())

    def _learn(self, stacks: Collection[int]) -> None:
        """Let the process know what holds for these stacks."""
        if stacks:
            self._learner.decide({stack: self._stack_label(stack) for stack in stacks})

    def _stack_label(self, stack: int) -> StackLabel:
        decided = self.decisions.of(stack)
        excluded = [self._number(name) for name in self.decisions.excluded(stack)]
        number = NO_LABEL if decided is None else self._number_of(decided)
        return StackLabel(number, self.decisions.was_drawn(stack), excluded)

    def _number_of(self, decided: Decided) -> int:
        number = _WITHOUT.get(decided.kind)
        return self._number(decided.label) if number is None else number

    def _number(self, label: str) -> int:
        with self._lock:  # for pages in several tabs
            if label not in self._numbers:
                self._numbers[label] = len(self._labels)
                self._labels.append(label)
            return self._numbers[label]

    def _label(self, number: int) -> str:
        return self._labels[number] if number >= 0 else ""

    def _page(self, page: labelling.Page, most: int | None = None) -> Page:
        self._best |= zip(page.stacks, page.proposals, strict=False)
        columns = zip(page.stacks, page.guesses, page.confidences, strict=True)
        named = page.why == "naming"
        items = [self._item(*column, named=named) for column in islice(columns, most)]
        return Page(page.why, self._label(page.label), items, len(page.stacks))

    def _item(self, stack: int, guess: int, confidence: float, *, named: bool = False) -> Item:
        """A stack; `named`: by itself."""
        images, best = self.images.stacks[stack], self._best.get(stack, ()) if named else ()
        excluded, label = self.decisions.excluded(stack), self._label(guess)
        if label in excluded:  # of every label, or of one that the head does not know of yet
            label, confidence = "", 0.0
        others = [(name, 0.0) for name in map(self._label, best) if name and name not in excluded]
        return Item(
            stack, self.images.name(images[0]), label, confidence, self.decisions.of(stack),
            others, list(excluded), len(images),
        )  # fmt: skip
