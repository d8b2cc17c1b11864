"""Which label each image has, from the lines of a labels file.

The last line about an image holds, unless it takes a decision back. A rename counts for the images
that had the label when it was written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain

import msgspec

from shared.labels.given_label import GivenLabel, Kind, LabelLine, RenamedLabel


class Decided(msgspec.Struct, frozen=True):
    """What holds for an image."""

    kind: Kind
    label: str = ""  #: only if `kind` is "label"


class LabelsSoFar:
    """The state after some lines."""

    def __init__(self) -> None:
        self._count = 0  #: lines so far
        self._last: dict[str, tuple[int, GivenLabel]] = {}  #: by SHA-256
        self._renames: list[tuple[int, RenamedLabel]] = []  #: that were not taken back
        self._labels: Counter[str] = Counter()  #: counted with each line: there may be 50,000

    def add(self, line: LabelLine) -> None:
        """Add the next line."""
        self._count += 1
        if isinstance(line, GivenLabel):
            self._count_label(line.sha256, -1)
            self._last[line.sha256] = self._count, line
            self._count_label(line.sha256, 1)
        elif not line.undo:
            self._renames.append((self._count, line))
            self._rename(line.rename, line.label)
        else:
            self._take_back(line)
            self._recount(line.label, line.rename)

    def _count_label(self, sha256: str, more: int) -> None:
        decided = self.of(sha256)
        if decided is not None and decided.label:
            self._labels[decided.label] += more
            if not self._labels[decided.label]:
                del self._labels[decided.label]

    def _rename(self, before: str, after: str) -> None:
        counts = self._labels.copy()
        counts[after] += counts.pop(before, 0)
        self._replace(before, [after], counts)

    def _recount(self, after: str, before: str) -> None:
        """Count again, after a rename was taken back."""
        decided = filter(None, map(self.of, self._last))
        counts = Counter(image.label for image in decided if image.label)
        self._replace(after, [before, after], counts)

    def _replace(self, label: str, instead: list[str], counts: Counter[str]) -> None:
        """Other names have the place of a label, and with it its key on the page."""
        names = chain.from_iterable(instead if name == label else [name] for name in self._labels)
        places = dict.fromkeys(chain(names, counts))
        self._labels = Counter({name: counts[name] for name in places if counts[name]})

    def _take_back(self, line: RenamedLabel) -> None:
        for place in reversed(range(len(self._renames))):
            earlier = self._renames[place][1]
            if (earlier.rename, earlier.label) == (line.rename, line.label):
                del self._renames[place]
                return

    def of(self, sha256: str) -> Decided | None:
        """What holds for an image; None if nothing does."""
        number, line = self._last.get(sha256, (0, None))
        if line is None or line.undo:
            return None
        return Decided(line.kind, self._renamed(line.label, number) if line.label else "")

    def since(self, sha256: str) -> str:
        """When what holds for an image was decided: by the last line about it, or by a rename."""
        number, line = self._last[sha256]
        return max([line.at, *(rename.at for rename in self._renamings(line.label, number))])

    def line(self, sha256: str) -> GivenLabel | None:
        """The last line about an image."""
        return self._last[sha256][1] if sha256 in self._last else None

    def images(self) -> dict[str, Decided]:
        """What holds, by SHA-256, in the order of the first line about each image."""
        every = ((sha256, self.of(sha256)) for sha256 in self._last)
        return {sha256: decided for sha256, decided in every if decided is not None}

    def taken_back(self) -> list[GivenLabel]:
        """The last line of each image about which nothing holds."""
        return [line for _, line in self._last.values() if line.undo]

    def labels(self) -> Counter[str]:
        """The labels that images have, and how many; the first that was given comes first."""
        return Counter(self._labels)

    def _renamed(self, label: str, number: int) -> str:
        *_, last = [label, *(rename.label for rename in self._renamings(label, number))]
        return last

    def _renamings(self, label: str, number: int) -> Iterator[RenamedLabel]:
        """The renames, one after another, of a label that line `number` gave."""
        for later, rename in self._renames:
            if later > number and rename.rename == label:
                label = rename.label
                yield rename
