"""Which label each image has, from lines of decisions, one after another.

The last line about an image holds, unless it takes a decision back. A line of `not-this` is about
one name: it ends a label of that name, and excludes the name until a later line gives it, or takes
this back. A rename changes the lines before it; one that is taken back counts as if it had never
been written.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

import msgspec

from shared.labels.label_line import Content, ImageKind, LabelLine, is_of_folder


class Decided(msgspec.Struct, frozen=True):
    """What holds for an image."""

    kind: ImageKind
    label: str = ""  #: only if `kind` is "label"; or "not-this", as a person gives it


class LabelsSoFar:
    """The state after some lines."""

    def __init__(self, lines: Iterable[LabelLine] = ()) -> None:
        self._written: list[LabelLine] = []
        self._clear()
        self.add(lines)

    def _clear(self) -> None:
        #: Of each image, by SHA-256: the last line about each name that was excluded, and as None
        #: the last line of another kind, all as renames have changed them.
        self._images: dict[str, dict[str | None, LabelLine]] = {}
        #: What a person said of the names of folders: whether each is a label.
        self.folders: dict[str, bool] = {}
        self._of_folders = set[str]()  #: images that have, or had, a label by their folder
        #: The images of each label, counted with each line: there may be 50,000. A label that no
        #: image has any more keeps its place; a new name has the place of the old one.
        self._labels = Counter[str]()

    def add(self, lines: Iterable[LabelLine]) -> None:
        """Add the next lines."""
        new = list(lines)
        self._written += new
        if any(line.kind == "rename" and line.undo for line in new):
            self._clear()
            new = _without_undone_renames(self._written)
        for line in new:
            if line.kind == "folder":
                self._add_folder(line)
            elif line.kind == "rename":
                self._rename(line)
            else:
                self._add_decision(line)

    def _add_folder(self, line: LabelLine) -> None:
        self.folders.pop(line.taken_from, None)
        if not line.undo:
            self.folders[line.taken_from] = bool(line.label)

    def _add_decision(self, line: LabelLine) -> None:
        lines = self._images.setdefault(line.sha256, {})
        before = self._label(line.sha256)
        name = line.label if line.kind == "not-this" else None
        if not line.undo:
            if name is None:
                lines.pop(line.label, None)
            elif name == before:
                del lines[None]
        lines.pop(name, None)  # so that the last line comes last
        lines[name] = line
        if is_of_folder(line.taken_from):
            self._of_folders.add(line.sha256)
        self._labels[before] -= 1
        self._labels[self._label(line.sha256)] += 1

    def _rename(self, rename: LabelLine) -> None:
        before, after = rename.taken_from, rename.label
        merges = self._labels[after] > 0
        for sha256, lines in self._images.items():
            if any(line.label == before for line in lines.values()):
                self._images[sha256] = _renamed(lines, rename, merges)
        labels = Counter[str]()
        for label, images in self._labels.items():
            labels[after if label == before else label] += images
        self._labels = labels

    def _label(self, sha256: str) -> str:
        decided = self.of(sha256)
        return decided.label if decided is not None else ""

    def of(self, sha256: str) -> Decided | None:
        """What holds for an image; None if nothing does. Excluded names are apart."""
        line = self._images.get(sha256, {}).get(None)
        if line is None or line.undo:
            return None
        return Decided(line.kind, line.label)  # type: ignore[arg-type]

    def excluded(self, sha256: str) -> tuple[str, ...]:
        """The names that an image does not have, as a person has said, in the order of their lines.
        One that was merged into another label says nothing of that one."""
        lines = self._images.get(sha256, {}).items()
        return tuple(name for name, line in lines if name is not None and not line.undo)

    def line(self, sha256: str) -> LabelLine | None:
        """The line of what holds for an image; if nothing does, the last one about it."""
        lines = self._images.get(sha256, {})
        if self.of(sha256) is not None:
            return lines[None]
        return next(reversed(lines.values()), None)

    def known(self) -> set[str]:
        """Every image that some line is about."""
        return set(self._images)

    def about(self, sha256: str) -> Sequence[LabelLine]:
        """The lines without renames that say the same of an image, also of what was taken back."""
        return tuple(self._images.get(sha256, {}).values())

    def lines(self) -> Iterator[LabelLine]:
        """Those of all images, in the order of the first line about each."""
        return chain.from_iterable(lines.values() for lines in self._images.values())

    def images(self) -> dict[str, Decided]:
        """What holds, by SHA-256, in the order of the first line about each image."""
        every = ((sha256, self.of(sha256)) for sha256 in self._images)
        return {sha256: decided for sha256, decided in every if decided is not None}

    def labelled(self) -> list[LabelLine]:
        """The lines of the images that have a label."""
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
        line = self._images[sha256].get(None)
        if line is None or line.undo or not is_of_folder(line.taken_from):
            return False
        return not self.folders.get(line.taken_from, False)


def _without_undone_renames(lines: Sequence[LabelLine]) -> list[LabelLine]:
    """The lines that count; those that take a rename back are none of them."""
    places = defaultdict[tuple[str, str], list[int]](list)  #: of renames that count
    undone = set[int]()
    for place, line in enumerate(lines):
        if line.kind == "rename":
            same = places[line.taken_from, line.label]
            if not line.undo:
                same.append(place)
            else:
                undone.update([place, *same[-1:]])
                del same[-1:]
    return [line for place, line in enumerate(lines) if place not in undone]


def _renamed(
    lines: dict[str | None, LabelLine], rename: LabelLine, merges: bool
) -> dict[str | None, LabelLine]:
    """The lines about an image after a rename, each with the time since which it holds. `merges`:
    images had the new name before, of which an exclusion of the old one says nothing."""
    renamed: dict[str | None, LabelLine] = {}
    for name, line in lines.items():
        if line.label != rename.taken_from:
            renamed[name] = line
        elif name is None or not merges:
            at = max(line.at, rename.at)
            key = None if name is None else rename.label
            renamed[key] = msgspec.structs.replace(line, label=rename.label, at=at)
    decision = renamed.get(None)
    if decision is not None and not decision.undo:
        renamed.pop(decision.label, None)
    return renamed


class RowLabels:
    """The decisions of a file about a table; lines are added in its order.

    A row follows the last line with the size and CRC-32 of its file. Where several images have
    both, it follows the last line that has its path, or else names its number, or else the last
    one.
    """

    def __init__(self, lines: Iterable[LabelLine] = ()) -> None:
        self.so_far = LabelsSoFar()
        self.lines: dict[Content, list[LabelLine]] = {}  #: about images
        self.add(lines)

    def add(self, lines: Iterable[LabelLine]) -> None:
        """Add the next lines."""
        new = list(lines)
        self.so_far.add(new)
        for line in new:
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
