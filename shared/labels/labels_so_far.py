"""Which label each image has, from the lines of a labels file.

The last line about an image holds, unless it takes a decision back. A line of `not-this` excludes
one name, and nothing else. A rename counts for the images that had the label when it was written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import msgspec

from shared.labels.given_label import (
    OF_A_LABEL,
    FolderName,
    GivenLabel,
    Kind,
    LabelLine,
    RenamedLabel,
    is_of_folder,
)


class Decided(msgspec.Struct, frozen=True):
    """What holds for an image."""

    kind: Kind
    label: str = ""  #: only if `kind` is "label"; or "not-this", as a person gives it


class _Rename(NamedTuple):
    number: int  #: of its line
    line: RenamedLabel
    merges: bool  #: images had the new name, too


class LabelsSoFar:
    """The state after some lines."""

    def __init__(self) -> None:
        self._count = 0  #: lines so far
        self._last: dict[str, tuple[int, GivenLabel]] = {}  #: by SHA-256
        #: The line of `not-this` in force, by SHA-256 and by the name that it excludes.
        self._excluded: dict[str, dict[str, tuple[int, GivenLabel]]] = {}
        self._renames: list[_Rename] = []  #: that were not taken back
        #: What a person said of the names of folders: whether each is a label.
        self.folders: dict[str, bool] = {}
        self._of_folders = set[str]()  #: images that have, or had, a label by their folder
        #: The images of each label, counted with each line: there may be 50,000. One that no image
        #: has any more keeps its place.
        self._labels: Counter[str] = Counter()

    def add(self, line: LabelLine) -> None:
        """Add the next line."""
        self._count += 1
        if isinstance(line, FolderName):
            self.folders.pop(line.folder, None)
            if not line.undo:
                self.folders[line.folder] = line.is_label
        elif isinstance(line, GivenLabel):
            before = self._label(line.sha256)
            if line.kind in OF_A_LABEL:
                self._include(line.sha256, line.label)
            if line.kind != "not-this":
                self._last[line.sha256] = self._count, line
                if is_of_folder(line.taken_from):
                    self._of_folders.add(line.sha256)
            elif line.undo:  # a version may have learned it
                self._last.setdefault(line.sha256, (self._count, line))
            else:
                self._excluded.setdefault(line.sha256, {})[line.label] = self._count, line
            self._labels[before] -= 1
            self._labels[self._label(line.sha256)] += 1
        elif not line.undo:
            merges = self._labels[line.label] > 0
            self._renames.append(_Rename(self._count, line, merges))
            self._rename(line.rename, line.label)
        else:
            self._take_back(line)
            counts = Counter(map(self._label, self._last))
            self._labels = Counter({label: counts[label] for label in self._labels})

    def _include(self, sha256: str, label: str) -> None:
        """Forget that an image does not have a label."""
        lines = self._excluded.get(sha256, {})
        for name, (number, _) in list(lines.items()):
            if self._excluded_name(name, number) == label:
                del lines[name]

    def _label(self, sha256: str) -> str:
        decided = self.of(sha256)
        return decided.label if decided is not None else ""

    def _rename(self, before: str, after: str) -> None:
        """A new name has the place of the old one, and with it its key on the page."""
        counts = self._labels
        if after not in counts:
            names = ([name, after] if name == before else [name] for name in counts)
            counts = Counter({name: counts[name] for name in chain.from_iterable(names)})
        counts[after] += counts[before]
        counts[before] = 0
        self._labels = counts

    def _take_back(self, line: RenamedLabel) -> None:
        for place in reversed(range(len(self._renames))):
            earlier = self._renames[place].line
            if (earlier.rename, earlier.label) == (line.rename, line.label):
                del self._renames[place]
                return

    def of(self, sha256: str) -> Decided | None:
        """What holds for an image; None if nothing does. Excluded names are apart."""
        number, line = self._last.get(sha256, (0, None))
        if line is None or line.undo:
            return None
        if not line.label:
            return Decided(line.kind)
        label = self._renamed(line.label, number)
        return None if label in self.excluded(sha256) else Decided(line.kind, label)

    def excluded(self, sha256: str) -> tuple[str, ...]:
        """The names that an image does not have, as a person has said, in the order of their lines.
        One that was merged into another label says nothing of that one."""
        lines = self._excluded.get(sha256, {})
        names = (self._excluded_name(name, number) for name, (number, _) in lines.items())
        return tuple(dict.fromkeys(name for name in names if name))

    def since(self, sha256: str) -> str:
        """When what holds for an image was decided: by the last line about it, or by a rename."""
        lines = self._lines(sha256)
        renames = chain.from_iterable(self._renamings(line.label, number) for number, line in lines)
        return max([*(line.at for _, line in lines), *(rename.line.at for rename in renames)])

    def line(self, sha256: str) -> GivenLabel | None:
        """The line of what holds for an image; if nothing does, the last one about it."""
        lines = self._lines(sha256)
        return max(lines, key=lambda line: line[0])[1] if lines else None

    def _lines(self, sha256: str) -> list[tuple[int, GivenLabel]]:
        """The line of what holds for an image; if nothing does, those of names that it does not
        have, and the one that takes a decision back."""
        last = [self._last[sha256]] if sha256 in self._last else []
        excluded = self._excluded.get(sha256, {}).values()
        return last if self.of(sha256) is not None else [*excluded, *last]

    def images(self) -> dict[str, Decided]:
        """What holds, by SHA-256, in the order of the first line about each image."""
        every = ((sha256, self.of(sha256)) for sha256 in self._last)
        return {sha256: decided for sha256, decided in every if decided is not None}

    def undecided(self) -> dict[str, GivenLabel]:
        """The last line of each image about which nothing holds, but names that it may not have."""
        every = dict.fromkeys([*self._last, *self._excluded])
        lines = ((sha256, self.line(sha256)) for sha256 in every if self.of(sha256) is None)
        return {sha256: line for sha256, line in lines if line is not None}

    def labels(self) -> Counter[str]:
        """The labels that images have, and how many; the first that was given comes first."""
        return Counter(
            {label: images for label, images in self._labels.items() if label and images}
        )

    def by_folders(self) -> set[str]:
        """The images whose label is the name of their folder, which no person has confirmed."""
        return {sha256 for sha256 in self._of_folders if self._is_by_folder(sha256)}

    def _is_by_folder(self, sha256: str) -> bool:
        taken_from = self._last[sha256][1].taken_from
        is_seen = self.folders.get(taken_from, False)
        return is_of_folder(taken_from) and not is_seen and self.of(sha256) is not None

    def _renamed(self, label: str, number: int) -> str:
        *_, last = [label, *(rename.line.label for rename in self._renamings(label, number))]
        return last

    def _excluded_name(self, name: str, number: int) -> str:
        """The name that line `number` excluded as it is now; empty if it was merged."""
        for rename in self._renamings(name, number):
            if rename.merges:
                return ""
            name = rename.line.label
        return name

    def _renamings(self, label: str, number: int) -> Iterator[_Rename]:
        """The renames, one after another, of a label that line `number` gave."""
        for rename in self._renames:
            if rename.number > number and rename.line.rename == label:
                label = rename.line.label
                yield rename
