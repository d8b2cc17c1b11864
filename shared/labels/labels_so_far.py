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
        #: The images of each label, counted with each line: there may be 50,000. One that no image
        #: has any more keeps its place.
        self._labels: Counter[str] = Counter()

    def add(self, line: LabelLine) -> None:
        """Add the next line."""
        self._count += 1
        if isinstance(line, GivenLabel):
            before = self._label(line.sha256)
            self._last[line.sha256] = self._count, line
            self._labels[before] -= 1
            self._labels[self._label(line.sha256)] += 1
        elif not line.undo:
            self._renames.append((self._count, line))
            self._rename(line.rename, line.label)
        else:
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
        return Counter(
            {label: images for label, images in self._labels.items() if label and images}
        )

    def _renamed(self, label: str, number: int) -> str:
        *_, last = [label, *(rename.label for rename in self._renamings(label, number))]
        return last

    def _renamings(self, label: str, number: int) -> Iterator[RenamedLabel]:
        """The renames, one after another, of a label that line `number` gave."""
        for later, rename in self._renames:
            if later > number and rename.rename == label:
                label = rename.label
                yield rename
