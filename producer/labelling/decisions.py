"""The decisions about the images of a folder: saved in the labels file before anything reports them
as saved. A decision about a stack has a line for each of its images."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from producer.labelling.folder_images import FolderImages
from producer.labelling.label_names import check_known, check_labels, check_rename
from shared.labels.given_label import GivenLabel, LabelLine, RenamedLabel
from shared.labels.labels_file import LabelsFile
from shared.labels.labels_so_far import Decided


class RefusedImage(msgspec.Struct, frozen=True):
    """An image whose decision was not saved, and why."""

    stack: int
    path: str
    why: str


class _Step(NamedTuple):
    """What a decision has changed, to take it back."""

    images: dict[int, Decided | None]  #: as they were
    rename: RenamedLabel | None = None
    undone: Callable[[], Sequence[LabelLine]] | None = None  #: the lines that take others back


class Decisions:
    """The decisions on the images of a folder; safe for several threads."""

    def __init__(self, images: FolderImages, file: LabelsFile, by: str) -> None:
        self._images, self._file, self._by = images, file, by
        self._lock = threading.Lock()
        self._steps: list[_Step] = []
        self._drawn: set[int] = set()  #: stacks that were shown by chance
        self._lost: set[int] = set()  #: images that cannot be used any more
        drawn = (s for s in range(len(images.stacks)) if self._line_by_chance(s))
        self._drawn.update(drawn)
        self._labels = list(file.so_far.labels())

    @property
    def labels(self) -> list[str]:
        """The labels that images have, in the order in which they were first given."""
        return list(self._labels)

    def of(self, stack: int) -> Decided | None:
        """What holds for a stack: for its first image, once all that can be used are decided."""
        usable = (i for i in self._images.stacks[stack] if i not in self._lost)
        different = dict.fromkeys(self._images.sha256(image) for image in usable)
        if not different:
            return Decided("cannot-tell")
        decided = [self._file.so_far.of(sha256) for sha256 in different]
        return None if None in decided else decided[0]

    def was_drawn(self, stack: int) -> bool:
        """Whether a stack was shown since chance drew it."""
        return stack in self._drawn

    def draw(self, stacks: Collection[int]) -> None:
        """Note that chance drew these stacks for a page."""
        self._drawn.update(stacks)

    def decide(self, given: Mapping[int, Decided | None]) -> list[RefusedImage]:
        """Save what was decided about stacks; None: nothing is any more. Returns what is refused:
        files that have changed or are gone.

        Raises:
            UsageError: a label cannot be used.
            SetupError: nothing can be saved.
        """
        with self._lock:
            given_labels = {decided.label for decided in given.values() if decided} - {""}
            check_labels(given_labels, self._labels)
            before: dict[int, Decided | None] = {}
            lines, refused = list[LabelLine](), list[RefusedImage]()
            for stack, decided in given.items():
                for image, line in self._lines_of(stack, decided):
                    if isinstance(line, str):
                        refused.append(RefusedImage(stack, self._images.name(image), line))
                    else:
                        before[image] = self._of_image(image)
                        lines.append(line)
            self._save(_Step(before), lines)
            return refused

    def check_known(self, label: str) -> None:
        """Raises UsageError if no image has this label."""
        check_known(label, self._labels)

    def relabel(self, before: str, after: str) -> None:
        """Give all images of a label another one; one that exists already gets them.

        Raises:
            UsageError: there is no such label, or the new one cannot be used.
            SetupError: nothing can be saved.
        """
        with self._lock:
            check_rename(before, after, self._labels)
            line = RenamedLabel(before, after, self._by, _now())
            self._save(_Step({}, line), [line])

    def append(
        self, lines: Callable[[], Sequence[LabelLine]], undone: Callable[[], Sequence[LabelLine]]
    ) -> None:
        """Save lines that are made elsewhere, with no other decision in between, as one decision.
        `undone` makes those that take it back. Raises SetupError: nothing can be saved; or as
        `lines`.
        """
        with self._lock:
            self._save(_Step({}, undone=undone), lines())

    def by_folders(self) -> int:
        """The number of images of decided stacks that have a label by the name of their folder,
        which no person has confirmed."""
        unseen, count = self._file.so_far.by_folders(), 0
        for stack, images in enumerate(self._images.stacks if unseen else ()):
            mine = sum(self._images.sha256(image) in unseen for image in images)
            if mine and self.of(stack) is not None:
                count += mine
        return count

    def undo(self) -> list[int] | None:
        """Take the last decision since the start back. Returns its stacks, none for a rename or
        lines that were made elsewhere; None if there is no decision.

        Raises:
            SetupError: nothing can be saved.
        """
        with self._lock:
            if not self._steps:
                return None
            step = self._steps[-1]
            if step.undone is not None:
                self._append(step.undone())
                self._steps.pop()
                return []
            lines: list[LabelLine] = []
            if step.rename is not None:
                lines.append(msgspec.structs.replace(step.rename, undo=True, at=_now()))
            lines += self._restored(step.images)
            if lines:
                self._append(lines)
            self._steps.pop()
            return sorted({self._images.stack_of[image] for image in step.images})

    def _restored(self, images: Mapping[int, Decided | None]) -> Iterator[LabelLine]:
        for image, decided in images.items():
            line = self._file.so_far.line(self._images.sha256(image))
            assert line is not None
            held = decided or line
            yield msgspec.structs.replace(
                line, kind=held.kind, label=held.label, by=self._by, at=_now(), undo=decided is None
            )

    def _save(self, step: _Step, lines: Sequence[LabelLine]) -> None:
        if lines:
            self._append(lines)
            self._steps.append(step)

    def _append(self, lines: Sequence[LabelLine]) -> None:
        self._file.append(lines)
        self._labels = list(self._file.so_far.labels())

    def _lines_of(
        self, stack: int, decided: Decided | None
    ) -> Iterator[tuple[int, GivenLabel | str]]:
        """The line about each image of a stack, or why it cannot be used; one line for equal files,
        of which there may be thousands."""
        known = set[str]()
        for image in self._images.stacks[stack]:
            sha256 = self._images.sha256(image)
            if sha256 in known:
                continue
            line = self._line(image, stack, decided)
            if not isinstance(line, str):
                known.add(sha256)
            if line is not None:
                yield image, line

    def _line(self, image: int, stack: int, decided: Decided | None) -> GivenLabel | str | None:
        """The line about an image; why it cannot be used; None if there is nothing to say."""
        if decided is None:
            line = self._file.so_far.line(self._images.sha256(image))
            if line is None or line.undo:
                return None
            return msgspec.structs.replace(line, by=self._by, at=_now(), undo=True)
        file = self._images.file(image)
        if isinstance(file, str):
            self._lost.add(image)
            return file
        return GivenLabel(
            sha256=self._images.sha256(image),
            path=self._images.name(image),
            label=decided.label,
            by=self._by,
            size=file.stamp[0],
            crc32=file.crc32,
            at=_now(),
            kind=decided.kind,
            by_chance=stack in self._drawn,
        )

    def _of_image(self, image: int) -> Decided | None:
        return self._file.so_far.of(self._images.sha256(image))

    def _line_by_chance(self, stack: int) -> bool:
        line = self._file.so_far.line(self._images.sha256(self._images.stacks[stack][0]))
        return line is not None and line.by_chance


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
