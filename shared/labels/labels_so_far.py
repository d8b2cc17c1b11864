"""Which label each image has, from lines of decisions, one after another.

The last line about an image holds, unless it takes a decision back. A line of `not-this` excludes
one name, as long as no later line gives that name, and hides a label of that name. A rename counts
for the images that had the label when it was written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import msgspec

from shared.labels.label_line import Content, ImageKind, LabelLine, is_of_folder


class Decided(msgspec.Struct, frozen=True):
    """What holds for an image."""

    kind: ImageKind
    label: str = ""  #: only if `kind` is "label"; or "not-this", as a person gives it


class _Rename(NamedTuple):
    number: int  #: of its line
    line: LabelLine
    merges: bool  #: images had the new name, too


class LabelsSoFar:
    """The state after some lines."""

    def __init__(self, lines: Iterable[LabelLine] = ()) -> None:
        self._count = 0  #: lines so far
        self._last: dict[str, tuple[int, LabelLine]] = {}  #: by SHA-256; none of `not-this`
        #: The last line of `not-this`, by SHA-256 and by the name that it excludes.
        self._excluded: dict[str, dict[str, tuple[int, LabelLine]]] = {}
        self._renames: list[_Rename] = []  #: that were not taken back
        #: What a person said of the names of folders: whether each is a label.
        self.folders: dict[str, bool] = {}
        self._of_folders = set[str]()  #: images that have, or had, a label by their folder
        #: The images of each label, counted with each line: there may be 50,000. One that no image
        #: has any more keeps its place.
        self._labels: Counter[str] = Counter()
        for line in lines:
            self.add(line)

    def add(self, line: LabelLine) -> None:
        """Add the next line."""
        self._count += 1
        if line.kind == "folder":
            self.folders.pop(line.taken_from, None)
            if not line.undo:
                self.folders[line.taken_from] = bool(line.label)
        elif line.kind == "rename":
            self._add_rename(line)
        else:
            before = self._label(line.sha256)
            if line.kind == "not-this":
                self._exclude(line)
            else:
                self._last[line.sha256] = self._count, line
                if is_of_folder(line.taken_from):
                    self._of_folders.add(line.sha256)
            self._labels[before] -= 1
            self._labels[self._label(line.sha256)] += 1

    def _exclude(self, line: LabelLine) -> None:
        lines = self._excluded.setdefault(line.sha256, {})
        for name, (number, _) in list(lines.items()):
            if self._excluded_name(name, number) == line.label:
                del lines[name]
        lines[line.label] = self._count, line

    def _add_rename(self, line: LabelLine) -> None:
        if not line.undo:
            merges = self._labels[line.label] > 0
            self._renames.append(_Rename(self._count, line, merges))
            self._rename(line.taken_from, line.label)
            return
        self._take_back(line)
        counts = Counter(map(self._label, self._last))
        self._labels = Counter({label: counts[label] for label in self._labels})

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

    def _take_back(self, line: LabelLine) -> None:
        for place in reversed(range(len(self._renames))):
            earlier = self._renames[place].line
            if (earlier.taken_from, earlier.label) == (line.taken_from, line.label):
                del self._renames[place]
                return

    def of(self, sha256: str) -> Decided | None:
        """What holds for an image; None if nothing does. Excluded names are apart."""
        number, line = self._last.get(sha256, (0, None))
        if line is None or line.undo:
            return None
        if line.kind != "label":
            return Decided("left-out" if line.kind == "left-out" else "cannot-tell")
        label = self._renamed(line.label, number)
        excluded = self._names(sha256)
        return None if excluded.get(label, 0) > number else Decided("label", label)

    def excluded(self, sha256: str) -> tuple[str, ...]:
        """The names that an image does not have, as a person has said, in the order of their lines.
        One that was merged into another label says nothing of that one."""
        return tuple(name for name in self._names(sha256) if name != self._label(sha256))

    def _names(self, sha256: str) -> dict[str, int]:
        """The names that lines exclude, with the number of the line."""
        lines = self._excluded.get(sha256, {}).items()
        names = {self._excluded_name(name, n): n for name, (n, line) in lines if not line.undo}
        names.pop("", None)
        return names

    def line(self, sha256: str) -> LabelLine | None:
        """The line of what holds for an image; if nothing does, the last one about it."""
        lines = [self._last[sha256]] if sha256 in self._last else []
        if self.of(sha256) is None:
            lines += self._excluded.get(sha256, {}).values()
        return max(lines, key=lambda line: line[0])[1] if lines else None

    def last(self, sha256: str) -> LabelLine | None:
        """The last line about an image that gives it a label or another kind, or takes it back."""
        return self._last[sha256][1] if sha256 in self._last else None

    def known(self) -> list[str]:
        """Every image that some line is about."""
        return list(dict.fromkeys([*self._last, *self._excluded]))

    def images(self) -> dict[str, Decided]:
        """What holds, by SHA-256, in the order of the first line about each image."""
        every = ((sha256, self.of(sha256)) for sha256 in self._last)
        return {sha256: decided for sha256, decided in every if decided is not None}

    def lines(self) -> Iterator[LabelLine]:
        """Lines without renames that say the same, also of what was taken back."""
        for sha256 in self.known():
            for name, (number, line) in self._excluded.get(sha256, {}).items():
                if now := self._excluded_name(name, number):
                    yield self._as_now(line, number, now)
            if sha256 in self._last:
                number, line = self._last[sha256]
                held = self._as_now(line, number, self._renamed(line.label, number))
                is_hidden = self.of(sha256) is None
                yield msgspec.structs.replace(held, undo=True) if is_hidden else held

    def _as_now(self, line: LabelLine, number: int, label: str) -> LabelLine:
        """A line with this label, and with the time since which it holds."""
        at = max([line.at, *(r.line.at for r in self._renamings(line.label, number))])
        return msgspec.structs.replace(line, label=label, at=at)

    def labelled(self) -> list[LabelLine]:
        """Those of the images that have a label."""
        return [line for line in self.lines() if line.kind == "label" and not line.undo]

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
            if rename.number > number and rename.line.taken_from == label:
                label = rename.line.label
                yield rename


class RowLabels:
    """The decisions of a file about a table; lines are added in its order.

    A row follows the last line with the size and CRC-32 of its file. Where several images have
    both, it follows the last line that has its path, or else names its number, or else the last
    one.
    """

    def __init__(self, lines: Iterable[LabelLine] = ()) -> None:
        self.so_far = LabelsSoFar()
        self.lines: dict[Content, list[LabelLine]] = {}  #: about images
        for line in lines:
            self.add(line)

    def add(self, line: LabelLine) -> None:
        """Add the next line."""
        self.so_far.add(line)
        if line.sha256:
            self.lines.setdefault(line.content, []).append(line)

    def sha256(self, content: Content, row: int, path: Callable[[], str]) -> str:
        """The image that a row follows, counted from 1, whose file has this content; empty: none.
        `path` reads the path of the row, and is seldom called."""
        lines = self.lines.get(content)
        if not lines:
            return ""
        last = lines[-1]
        if all(line.sha256 == last.sha256 for line in lines):
            return last.sha256
        row_path, latest = path(), lines[::-1]
        of_path = next((line for line in latest if line.path == row_path), None)
        return (of_path or next((line for line in latest if row in line.rows), last)).sha256
