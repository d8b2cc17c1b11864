"""The folder layout of a data set: a folder for each class, with or without splits above them.

ROOT/CLASS/...              or    ROOT/train/CLASS/...  ROOT/validation/...  ROOT/test/...

Another walk than that of a job (producer/sources/folder_walk.py): files come in the order of
names, not of whole paths, on which the bytes of a version depend.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from shared.errors import SetupError
from shared.image_formats import is_decoded_kind, is_other_kind
from shared.labels.class_folders import SORT_LOG, is_reserved
from shared.messages.files import printable
from shared.messages.training import SMALLEST_CLASS
from worker.datasets.examples import HELDOUT, TEST, TRAINING, UNDECIDED

SPLITS = {
    b"train": TRAINING,
    b"training": TRAINING,
    b"val": HELDOUT,
    b"valid": HELDOUT,
    b"validation": HELDOUT,
    b"test": TEST,
    b"testing": TEST,
}
#: Reasons why an entry is not an image of the data set.
HIDDEN, LINKS, OTHER = "hidden", "links", "no images"
OTHER_KINDS = "images of other kinds, such as raw files"
BESIDE, CLOSED = "beside the class folders", "folders that cannot be read"
UNLABELLED = "in unknown, flagged or failed"
#: Why a correction is not in the data.
LOST = "corrected files that were not found"
RARE = f"images whose label fewer than {SMALLEST_CLASS} have; they keep it"
#: Of an image without a label.
NO_LABEL = 0


class Branch(NamedTuple):
    """One class folder."""

    folder: bytes
    label: int
    part: int  #: as in worker/datasets/examples.py


class Item(NamedTuple):
    """One file that may be an image."""

    path: bytes
    label: int
    part: int


class Remedies(NamedTuple):
    """What to do about data that cannot be learned from, as ends of sentences."""

    no_images: str
    one_class: str
    small_class: str  #: of which corrections gave all images


class ClassFolderWalk:
    """The class folders under `root`; without classes only the files. `skipped` counts the entries
    that the last pass skipped.

    Raises:
        SetupError: there is no such folder, or its classes are ambiguous.
    """

    remedies = Remedies(
        "there are no images in folders under {where}; "
        "put the images of each class into a folder with its name, or name them with hangtag label "
        "and train with --labels",
        "give each its own folder",
        "give more images this label in hangtag review, undo it there, or leave earlier "
        "corrections out with --without-corrections",
    )

    def __init__(self, root: Path, *, has_classes: bool = True) -> None:
        self.root = os.fsencode(root)
        self.skipped: Counter[str] = Counter()
        self.closed: dict[bytes, str] = {}  #: folders that cannot be read, and why
        self._entries(self.root)  # raises if there is no such folder
        splits = self._splits() if has_classes else []
        tops = splits or [(self.root, UNDECIDED)] * has_classes
        self._unlabelled: list[bytes] = []  #: folders of images that `hangtag sort` gave no label
        named = [(folder, part, self._classes(folder)) for folder, part in tops]
        known = {name for _, part, names in named if part != TEST for name in names}
        known = known or {name for *_, names in named for name in names}
        self._names = sorted(known)
        self.labels = tuple(_label(name) for name in self._names)
        self._tops = [folder for folder, _ in tops]
        self.branches = [
            Branch(folder + b"/" + name, self._number(folder, name), part)
            for folder, part, names in named
            for name in names
        ]

    def items(self) -> Iterator[Item]:
        """Every file with the ending of an image that is decoded, ordered by name."""
        self.skipped.clear()
        for top in self._tops:
            beside = (name for name, is_folder in self._entries(top) if not is_folder)
            self.skipped[BESIDE] += sum(name != SORT_LOG.encode() for name in beside)
        for folder in self._unlabelled:
            self.skipped[UNLABELLED] += sum(1 for _ in self._files(folder))
        for folder, label, part in self.branches:
            for path in self._files(folder):
                yield Item(path, label, part)

    def _splits(self) -> list[tuple[bytes, int]]:
        """The folders that are named like a split and contain folders.

        If there is one, a folder of images beside it is an error: it would be read as a class,
        and its images would be learned from, for example those of a flat test/.
        """
        names = self._folders(self.root)
        deep = [name for name in names if name.lower() in SPLITS and self._folders(self._at(name))]
        for odd in names if deep else []:
            if odd not in deep and next(self._files(self._at(odd)), None):
                raise SetupError(
                    f"{printable(deep[0])}/ has class folders like a split, but "
                    f"{printable(odd)}/ beside it has none; move {printable(odd)}/ elsewhere, "
                    f"or sort its images into class folders of train/, validation/ or test/"
                )
        return [(self._at(name), SPLITS[name.lower()]) for name in deep]

    def _at(self, name: bytes) -> bytes:
        return self.root + b"/" + name

    def _number(self, folder: bytes, name: bytes) -> int:
        try:
            return self._names.index(name)
        except ValueError:
            raise SetupError(
                f"{printable(name)}/ of {printable(os.path.basename(folder))}/ is not a class of "
                "train/; rename it, or add images of it to train/"
            ) from None

    def _folders(self, folder: bytes) -> list[bytes]:
        return [name for name, is_folder in self._entries(folder) if is_folder]

    def _classes(self, folder: bytes) -> list[bytes]:
        """The class folders in a folder; in one that `hangtag sort` has filled, those of labels."""
        names = self._folders(folder)
        reserved = [name for name in names if is_reserved(os.fsdecode(name))]
        if reserved and not os.path.exists(folder + b"/" + SORT_LOG.encode()):
            raise SetupError(
                f"the class folder {printable(reserved[0])} has a name that is reserved for images "
                "without a label; rename it, or move it elsewhere"
            )
        self._unlabelled += [folder + b"/" + name for name in reserved]
        return [name for name in names if name not in reserved]

    def _files(self, folder: bytes) -> Iterator[bytes]:
        waiting = [(folder, True)]
        while waiting:
            path, is_folder = waiting.pop()
            if is_folder:
                inside = [(path + b"/" + name, is_dir) for name, is_dir in self._entries(path)]
                waiting.extend(reversed(inside))
            elif is_decoded_kind(path):
                yield path
            else:
                self.skipped[OTHER_KINDS if is_other_kind(path) else OTHER] += 1

    def _entries(self, folder: bytes) -> list[tuple[bytes, bool]]:
        """Names and whether they are folders, ordered by name; counts skipped entries."""
        try:
            with os.scandir(folder) as entries:
                wanted = [entry for entry in entries if not self._skipped(entry)]
        except OSError as error:
            if folder == self.root:
                raise SetupError(
                    f"{printable(folder)}: {error.strerror}; "
                    "name a folder with one folder per class"
                ) from error
            self.skipped[CLOSED] += 1
            self.closed[folder] = error.strerror or type(error).__name__
            return []
        return sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in wanted)

    def _skipped(self, entry: os.DirEntry[bytes]) -> bool:
        if entry.name.startswith(b"."):
            self.skipped[HIDDEN] += 1
        elif entry.is_symlink():
            self.skipped[LINKS] += 1
        elif not (entry.is_dir() or entry.is_file()):
            self.skipped[OTHER] += 1
        else:
            return False
        return True


def closed_below(walk: ClassFolderWalk, folder: bytes) -> str:
    """The first folder at or below this one that cannot be read, with the reason; empty if none."""
    inside = (path for path in walk.closed if path == folder or path.startswith(folder + b"/"))
    first = min(inside, default=None)
    return "" if first is None else f"{printable(first)} cannot be read ({walk.closed[first]})"


def closed_splits(walk: ClassFolderWalk) -> list[bytes]:
    """The splits that cannot be read, beside others that can."""
    at_root = (path.rpartition(b"/") for path in walk.closed)
    return [
        folder + slash + name
        for folder, slash, name in at_root
        if folder == walk.root and name.lower() in SPLITS
    ]


def _label(name: bytes) -> str:
    text = name.decode(errors="replace")
    if text.encode(errors="replace") != name or not text.isprintable():
        raise SetupError(f"the class folder {printable(name)} has an unprintable name; rename it")
    return text


class LooseWalk(ClassFolderWalk):
    """The images below `root`, which has no classes whatever its folders are called. Raises
    SetupError: there is no such folder."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, has_classes=False)

    def items(self) -> Iterator[Item]:
        """Every file with the ending of an image that is decoded, ordered by name."""
        self.skipped.clear()
        for path in self._files(self.root):
            yield Item(path, NO_LABEL, UNDECIDED)
