"""Class folders as people have corrected them: files keep their place and get other labels.

A correction is found by the content of a file. Files that lie in no class folder are added. Only
files whose size occurs in a correction are hashed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec import structs

from shared.labels.class_folders import folder_of
from shared.labels.label_line import LabelLine
from shared.messages.training import SMALLEST_CLASS
from worker.datasets.examples import TRAINING, UNDECIDED
from worker.datasets.folder_layout import LOST, RARE, ClassFolderWalk, Item, Remedies

#: In place of the path of a file that was never found.
GONE = b"a file that is gone"


class LostFile(NamedTuple):
    """A corrected file that was not found."""

    digest: bytes
    item: Item  #: as it would be


class CorrectedWalk(ClassFolderWalk):
    """The class folders under `root`, with corrections.

    Files of test/ are judged by their corrected labels, and stay in test/.

    Raises:
        SetupError: there is no such folder, or its classes are ambiguous.
    """

    def __init__(
        self, root: Path, corrections: Sequence[LabelLine], *, has_classes: bool = True
    ) -> None:
        super().__init__(root, has_classes=has_classes)
        self._files_by_sha256 = {correction.sha256: correction for correction in corrections}
        self.lost: list[LostFile] = []  #: of the last pass
        self.set_aside: dict[str, bytes] = {}  #: paths of files with a rare label, by SHA-256
        self._sizes = {correction.size for correction in corrections}
        self._own = len(self.labels)  #: labels of class folders; those of corrections alone follow
        #: `T-shirt/top` of a card is the class folder `T-shirt_top`.
        numbers = {folder_of(label): number for number, label in enumerate(self.labels)}
        #: The number of the label of each content.
        self._corrected: dict[str, int] = {}
        for correction in sorted(corrections, key=lambda correction: correction.label):
            number = numbers.setdefault(folder_of(correction.label), len(self.labels))
            if number == len(self.labels):
                self.labels = (*self.labels, correction.label)
            self._corrected[correction.sha256] = number
        are_split = any(branch.part != UNDECIDED for branch in self.branches)
        self._elsewhere = TRAINING if are_split else UNDECIDED

    def items(self) -> Iterator[Item]:
        """Every file of the folders in their order, then corrected files from elsewhere."""
        hashes: set[str] = set()
        self.lost = []
        for item in super().items():
            sha256 = self._sha256(item.path)
            if sha256 in self._corrected:
                hashes.add(sha256)
                yield item._replace(label=self._corrected[sha256])
            else:
                yield item
        yield from self._elsewhere_than(hashes)

    def _elsewhere_than(self, hashes: Collection[str]) -> Iterator[Item]:
        """The corrected files with other contents, by their paths; notes those that are lost."""
        for sha256, file in self._files_by_sha256.items():
            if sha256 in hashes:
                continue
            number = self._corrected.get(sha256)
            if number is not None and file.place and self._sha256(file.place) == sha256:
                yield Item(file.place, number, self._elsewhere)
                continue
            self.skipped[LOST] += 1
            if number is not None:
                item = Item(file.place or GONE, number, self._elsewhere)
                self.lost.append(LostFile(bytes.fromhex(sha256), item))

    def drop_empty(self, used: Collection[int]) -> bool:
        """Drop classes that corrections made and whose files are all lost; whether there are any.

        `used` are the labels that some file has.
        """
        stay = [i for i in range(len(self.labels)) if i < self._own or i in used]
        if len(stay) == len(self.labels):
            return False
        self.labels = tuple(self.labels[i] for i in stay)
        self._corrected = {
            sha256: stay.index(i) for sha256, i in self._corrected.items() if i in stay
        }
        return True

    def _sha256(self, path: bytes) -> str:
        """The file's content, if a correction has its size; otherwise empty."""
        return sha256_of(path, self._sizes)


class LabelledWalk(CorrectedWalk):
    """The files under `root` that corrections name, wherever they lie, and no others: the names of
    folders are no classes, nor are labels with too few files if two others have enough.

    Raises:
        SetupError: there is no such folder.
    """

    remedies = Remedies(
        "none of the labelled images is under {where}; name the folder that was labelled",
        "give some images another label with hangtag label",
        "give more images this label with hangtag label, or rename it there to merge it",
    )

    def __init__(self, root: Path, corrections: Sequence[LabelLine]) -> None:
        learned = _without_rare(corrections)
        super().__init__(root, learned, has_classes=False)
        kept = {correction.sha256 for correction in learned}
        rare = [correction for correction in corrections if correction.sha256 not in kept]
        self._rare = {correction.sha256 for correction in rare}
        self._sizes |= {correction.size for correction in rare}

    def items(self) -> Iterator[Item]:
        """The labelled files in the order of their paths, then those from elsewhere."""
        hashes: set[str] = set()
        self.lost = []
        self.skipped.clear()
        self.skipped[RARE] = len(self._rare)
        for path in self._files(self.root):
            sha256 = self._sha256(path)
            if sha256 in self._corrected:
                hashes.add(sha256)
                yield Item(path, self._corrected[sha256], UNDECIDED)
            elif sha256 in self._rare:
                self.set_aside[sha256] = path
        yield from self._elsewhere_than(hashes)


def sha256_of(path: bytes, sizes: Collection[int]) -> str:
    """The content of a file of one of these sizes, hexadecimal; otherwise empty."""
    if not sizes:
        return ""
    try:
        info = os.stat(path)
        if not stat.S_ISREG(info.st_mode) or info.st_size not in sizes:
            return ""
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""  # reading it for its pixels will name it


def _without_rare(corrections: Sequence[LabelLine]) -> Sequence[LabelLine]:
    """Those of labels with enough files to learn from; all if fewer than two labels have enough."""
    folders = [folder_of(correction.label) for correction in corrections]
    files = Counter(folders)
    learned = {folder for folder in files if files[folder] >= SMALLEST_CLASS}
    if len(learned) < 2:
        return corrections
    return [one for one, folder in zip(corrections, folders, strict=True) if folder in learned]


def found_here(root: Path, corrections: Sequence[LabelLine]) -> list[LabelLine]:
    """The corrections of files that lie in the class folders under `root`. Raises SetupError."""
    walk = CorrectedWalk(root, [structs.replace(file, path="") for file in corrections])
    deque(walk.items(), maxlen=0)
    lost = {file.digest.hex() for file in walk.lost}
    return [file for file in corrections if file.sha256 not in lost]


class LabelledData(NamedTuple):
    """Data, and the labels that people gave to some of their files."""

    where: str  #: FASHION_MNIST, or an absolute folder on this machine
    corrections: Sequence[LabelLine] = ()
    only: bool = False  #: whether other files than those have no label

    @property
    def learned(self) -> Sequence[LabelLine]:
        """The corrections that are learned from."""
        return _without_rare(self.corrections) if self.only else self.corrections

    def walk(self) -> CorrectedWalk:
        """The walk of a folder, as corrected. Raises as `CorrectedWalk`."""
        kind = LabelledWalk if self.only else CorrectedWalk
        return kind(Path(self.where), self.corrections)
