"""The decisions about the images of a folder: saved in the labels file before anything reports them
as saved. A decision about a stack has a line for each of its images."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec

from producer.people.folder_images import FolderImages
from shared.labels.label_line import LabelLine, utc_now
from shared.labels.label_names import check_known, check_labels, check_rename
from shared.labels.labels_file import LabelsFile
from shared.labels.labels_so_far import Decided


class RefusedImage(msgspec.Struct, frozen=True):
    """An image whose decision was not saved, and why."""

    stack: int
    path: str
    why: str


class _Held(NamedTuple):
    """What holds for an image."""

    decided: Decided | None
    excluded: tuple[str, ...]  #: names that it does not have
    line: LabelLine | None  #: that of the decision, which says where it was taken from

    @property
    def names(self) -> tuple[str, ...]:
        """All names that it depends on."""
        return (*self.excluded, *([self.decided.label] if self.decided is not None else []))


class _Step(NamedTuple):
    """What a decision has changed, to take it back."""

    images: dict[int, _Held]  #: as they were; of a rename those that a later line may be about
    rename: LabelLine | None = None
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
        different = self._different(stack)
        if not different:
            return Decided("cannot-tell")
        decided = [self._file.so_far.of(sha256) for sha256 in different]
        return None if None in decided else decided[0]

    def excluded(self, stack: int) -> tuple[str, ...]:
        """The names that a stack does not have: that one of its images does not have."""
        names = map(self._file.so_far.excluded, self._different(stack))
        return tuple(dict.fromkeys(chain.from_iterable(names)))

    def _different(self, stack: int) -> list[str]:
        """The SHA-256 of the images of a stack that can be used, each once."""
        usable = (i for i in self._images.stacks[stack] if i not in self._lost)
        return list(dict.fromkeys(self._images.sha256(image) for image in usable))

    def was_drawn(self, stack: int) -> bool:
        """Whether a stack was shown since chance drew it."""
        return stack in self._drawn

    def draw(self, stacks: Collection[int]) -> None:
        """Note that chance drew these stacks for a page."""
        self._drawn.update(stacks)

    def decide(self, given: Mapping[int, Decided | None]) -> list[RefusedImage]:
        """Save what was decided about stacks; None: nothing is any more, and they may have each
        name. Returns what is refused: files that have changed or are gone.

        Raises:
            UsageError: a label cannot be used.
            SetupError: nothing can be saved.
        """
        with self._lock:
            given_labels = {decided.label for decided in given.values() if decided} - {""}
            check_labels(given_labels, self._labels)
            before = dict[int, _Held]()
            lines, refused = list[LabelLine](), list[RefusedImage]()
            for stack, decided in given.items():
                for image, found in self._lines_of(stack, decided):
                    if isinstance(found, str):
                        refused.append(RefusedImage(stack, self._images.name(image), found))
                    else:
                        before[image] = self._held(image)
                        lines += found
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
            line = LabelLine(
                kind="rename", taken_from=before, label=after, by=self._by, at=utc_now()
            )
            every = ((image, self._held(image)) for image in range(len(self._images)))
            step = _Step({image: held for image, held in every if before in held.names}, line)
            self._save(step, [line])

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

    def undo(self) -> dict[int, Decided | None] | None:
        """Take the last decision since the start back. Returns what it was about each stack, none
        for a rename or lines that were made elsewhere; None if there is no decision.

        Raises:
            SetupError: nothing can be saved.
        """
        with self._lock:
            if not self._steps:
                return None
            step, taken = self._steps[-1], dict[int, Decided | None]()
            if step.undone is not None:
                self._append(step.undone())
                self._steps.pop()
                return {}
            if step.rename is not None:
                self._append([msgspec.structs.replace(step.rename, undo=True, at=utc_now())])
            else:
                for image, before in step.images.items():
                    taken[self._images.stack_of[image]] = self._since(image, before)
            lines = [line for held in step.images.items() for line in self._restored(*held)]
            if lines:
                self._append(lines)
            self._steps.pop()
            return dict(sorted(taken.items()))

    def _since(self, image: int, before: _Held) -> Decided | None:
        """What was decided about an image of which this held before."""
        now = self._held(image)
        names = [name for name in now.excluded if name not in before.excluded]
        return Decided("not-this", names[0]) if names else now.decided

    def _restored(self, image: int, before: _Held) -> Iterator[LabelLine]:
        """The lines after which this holds for an image again."""
        now = self._held(image)
        for name in now.excluded:
            if name not in before.excluded:
                yield self._again(image, Decided("not-this", name), undo=True)
        if now.decided != before.decided:
            yield self._back(image, now, before)
        for name in before.excluded:
            if name not in now.excluded:
                yield self._again(image, Decided("not-this", name))

    def _back(self, image: int, now: _Held, before: _Held) -> LabelLine:
        """The line after which an image has the decision before: from where that was taken."""
        if before.decided is None:
            assert now.decided is not None
            return self._again(image, now.decided, undo=True)
        assert before.line is not None
        kind, label = before.decided.kind, before.decided.label
        return msgspec.structs.replace(before.line, kind=kind, label=label, at=utc_now())

    def _save(self, step: _Step, lines: Sequence[LabelLine]) -> None:
        if lines:
            self._append(lines)
            self._steps.append(step)

    def _append(self, lines: Sequence[LabelLine]) -> None:
        self._file.append(lines)
        self._labels = list(self._file.so_far.labels())

    def _lines_of(
        self, stack: int, decided: Decided | None
    ) -> Iterator[tuple[int, list[LabelLine] | str]]:
        """The lines about each image of a stack, or why it cannot be used; those about one of equal
        files, of which there may be thousands."""
        known = set[str]()
        for image in self._images.stacks[stack]:
            sha256 = self._images.sha256(image)
            if sha256 in known:
                continue
            lines = self._lines(image, stack, decided)
            if not isinstance(lines, str):
                known.add(sha256)
            if lines:
                yield image, lines

    def _lines(self, image: int, stack: int, decided: Decided | None) -> list[LabelLine] | str:
        """The lines about an image, none if there is nothing to say; or why it cannot be used."""
        if decided is None:
            return list(self._taken_back(image))
        file = self._images.file(image)
        if isinstance(file, str):
            self._lost.add(image)
            return file
        line = LabelLine(
            sha256=self._images.sha256(image),
            path=self._images.name(image),
            label=decided.label,
            by=self._by,
            size=file.stamp[0],
            crc32=file.crc32,
            at=utc_now(),
            kind=decided.kind,
            by_chance=stack in self._drawn,
        )
        return [line]

    def _taken_back(self, image: int) -> Iterator[LabelLine]:
        """The lines after which nothing holds for an image, nor a label that a name has hidden."""
        for name in self._held(image).excluded:
            yield self._again(image, Decided("not-this", name), undo=True)
        last = self._file.so_far.last(self._images.sha256(image))
        if last is not None and not last.undo:
            yield msgspec.structs.replace(last, by=self._by, at=utc_now(), undo=True)

    def _again(self, image: int, decided: Decided, *, undo: bool = False) -> LabelLine:
        """A line about an image that has one."""
        line = self._file.so_far.line(self._images.sha256(image))
        assert line is not None
        return msgspec.structs.replace(
            line, kind=decided.kind, label=decided.label, by=self._by, at=utc_now(), undo=undo
        )

    def _held(self, image: int) -> _Held:
        so_far, sha256 = self._file.so_far, self._images.sha256(image)
        return _Held(so_far.of(sha256), so_far.excluded(sha256), so_far.line(sha256))

    def _line_by_chance(self, stack: int) -> bool:
        line = self._file.so_far.line(self._images.sha256(self._images.stacks[stack][0]))
        return line is not None and line.by_chance
