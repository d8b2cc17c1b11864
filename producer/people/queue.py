"""What a page shows and asks, as its script gets it. There are two queues: the images of a folder
(folder_queue.py), and the rows of a table (table_queue.py)."""

from __future__ import annotations

import abc
from collections.abc import Collection, Mapping

import msgspec

from shared.errors import UsageError
from shared.labels.label_line import ImageKind
from shared.labels.labels_so_far import Decided
from shared.messages.helpers import Thumbnail


class Item(msgspec.Struct, frozen=True):
    """A picture of a page."""

    item: int  #: its number in the queue, from 0
    path: str
    guess: str  #: the most probable label that no person has excluded; empty: none
    confidence: float
    decided: Decided | None
    #: Labels that come next; of folders only where each picture is named by itself.
    others: list[tuple[str, float]] = []
    excluded: list[str] = []  #: labels that it does not have, as a person has said
    images: int = 1  #: with its near-duplicates
    taken_back: Decided | None = None  #: what was decided about it until an undo
    row: int = 0  #: in the table, from 1
    flag: str = ""
    folder: str = ""  #: the label that the folder of a row is named after


class Page(msgspec.Struct, frozen=True):
    """Pictures that are shown together, and why (shared/messages/labelling.py); or `undone`, or
    `rows`, a part of a view of a table."""

    why: str
    label: str  #: that all of them seem to have; empty if none
    items: list[Item]
    total: int  #: that there are, of which these are some
    left: int = 0  #: of a view, those without a decision


class Choices(msgspec.Struct, frozen=True):
    """What a person chooses rows by."""

    counts: dict[str, int]  #: rows of each kind of view
    folders: list[str]


class Facts(msgspec.Struct, frozen=True):
    """What does not depend on a page."""

    id: str  #: unique for each start of a server
    command: str
    name: str
    title: str
    labels: list[str]  #: the first ones have keys
    heading: str
    choices: Choices | None = None


class GivenDecision(msgspec.Struct, forbid_unknown_fields=True):
    """A decision about an item; without a kind nothing is decided any more. `label` of the kind
    `not-this` is the name that it does not have."""

    item: int
    kind: ImageKind | None = None
    label: str = ""


class Decide(msgspec.Struct, forbid_unknown_fields=True):
    """The body of decisions."""

    decisions: list[GivenDecision]
    #: Items that the next page leaves out, since the person has passed over them.
    without: list[int] = []
    #: The next page is chosen by a head that has learned from these decisions.
    settled: bool = False
    #: The reply has a next page, if the queue has pages.
    next_page: bool = True


class Refused(msgspec.Struct, frozen=True):
    """An item of which a decision was not saved, and why."""

    item: int
    why: str


class Saved(msgspec.Struct, frozen=True):
    """The reply to a decision: when it arrives, everything but `refused` is saved."""

    refused: list[Refused]
    labels: list[str]
    heading: str
    page: Page | None = None  #: the next one, or what was taken back
    #: What holds now for items that the decision was about, or their copies.
    changed: dict[int, Decided | None] = {}


class ProposedFolder(msgspec.Struct, frozen=True):
    """A folder whose name may be the label of its images."""

    name: str
    images: int  #: that would get the label
    items: list[int]  #: some of them, for their pictures


class Queue(abc.ABC):
    """The images that people decide about at one page, counted from 0. For several threads.

    Each method raises UsageError for what cannot be, and SetupError if a file cannot be read or
    nothing can be saved.
    """

    command: str
    scripts: tuple[str, ...]  #: of the page, behind the one that all have

    @abc.abstractmethod
    def __len__(self) -> int: ...

    @abc.abstractmethod
    def facts(self, start: str) -> Facts:
        """The heading of the page; `start` is the id of the server's start."""

    @abc.abstractmethod
    def page(self, query: Mapping[str, str]) -> Page:
        """The items that an address asks for."""

    @abc.abstractmethod
    def picture(self, item: int, side: int) -> Thumbnail:
        """The image of an item, decoded and encoded again."""

    @abc.abstractmethod
    def decide(self, given: Mapping[int, Decided | None], asked: Decide) -> Saved:
        """Save what was decided about items; None: nothing is any more."""

    @abc.abstractmethod
    def undo(self) -> Saved | None:
        """Take the last decision since the start back; None if there is none."""

    def relabel(self, before: str, after: str) -> Saved:
        """Rename a label, or merge it with another one."""
        raise UsageError("the labels of this page are not renamed")

    def proposed(self) -> list[ProposedFolder]:
        """The folders whose names a person is asked about."""
        return []

    def name_folders(self, names: Collection[str], is_label: bool) -> Saved:
        """Save what a person says of proposed folders."""
        raise UsageError("this page asks about no folder")


def number(text: str, below: int = 10**9) -> int:
    """The number that a request names. Raises UsageError."""
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or int(text) >= below:
        raise UsageError(f"{text!r:.20} is not a number, or too large")
    return int(text)
