"""The decisions of the people at a page: saved in a labels file before anything reports them as
saved, and taken back in their order. The file is the truth; other processes may append to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from msgspec.structs import replace

from shared.labels.class_folders import check_known, check_rename
from shared.labels.label_line import NO_FOLDERS, LabelLine, is_of_folder, utc_now
from shared.labels.labels_file import LabelsFile
from shared.labels.labels_so_far import Decided, LabelsSoFar


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

    images: dict[str, _Held]  #: as they were, by SHA-256; of a rename those that had the name
    others: list[LabelLine]  #: its lines about no image


class Decisions:
    """The decisions in a file, by the SHA-256 of each image; safe for several threads. Labels of
    the model, if there is one, are known before any image has them."""

    def __init__(self, file: LabelsFile, by: str, of_model: Sequence[str] = ()) -> None:
        self.file, self._by, self._of_model = file, by, of_model
        self._lock = threading.RLock()
        self._steps: list[_Step] = []

    @contextmanager
    def up_to_date(self) -> Iterator[LabelsSoFar]:
        """What every line of the file says, while no other decision is saved. Raises SetupError:
        the file is damaged, or was removed or changed beside this process."""
        with self._lock:
            self.note(self.file.refresh())
            yield self.file.so_far

    def note(self, lines: Sequence[LabelLine]) -> None:
        """Called under the lock with lines that others have written, or `save`."""

    @property
    def labels(self) -> list[str]:
        """Those of the model, then those that images have, the first that was given first."""
        with self.up_to_date() as so_far:
            return list(dict.fromkeys([*self._of_model, *so_far.labels()]))

    def check_known(self, label: str) -> None:
        """Raises UsageError if no image has this label."""
        check_known(label, self.labels)

    def save(self, make: Callable[[LabelsSoFar], Sequence[LabelLine]]) -> None:
        """Save the lines that `make` returns as one decision; no other one comes between.

        Raises:
            SetupError: nothing can be saved; or as `make`.
        """
        with self.up_to_date() as so_far:
            lines = make(so_far)
            if not lines:
                return
            renamed = {line.taken_from for line in lines if line.kind == "rename"}
            changed = so_far.known() if renamed else {line.sha256 for line in lines} - {""}
            held = {sha256: self._held(sha256) for sha256 in changed}
            if renamed:
                held = {sha256: one for sha256, one in held.items() if renamed & {*one.names}}
            self._append(lines)
            self._steps.append(_Step(held, [line for line in lines if not line.sha256]))

    def relabel(self, before: str, after: str) -> None:
        """Give all images of a label another one; one that exists already gets them.

        Raises:
            UsageError: there is no such label, or the new one cannot be used.
            SetupError: nothing can be saved.
        """

        def renamed(so_far: LabelsSoFar) -> list[LabelLine]:
            check_rename(before, after, self.labels)
            by, at = self._by, utc_now()
            return [LabelLine(kind="rename", taken_from=before, label=after, by=by, at=at)]

        self.save(renamed)

    def undo(self) -> dict[str, Decided | None] | None:
        """Take the last decision since the start back. Returns what it was about each image, none
        for one about no image; None if there is no decision.

        Raises:
            SetupError: nothing can be saved.
        """
        with self.up_to_date():
            if not self._steps:
                return None
            images, others = self._steps[-1]
            taken = {sha256: self._since(sha256, before) for sha256, before in images.items()}
            lines = [self.stamped(line, undo=True) for line in others]
            if any(line.kind == "rename" for line in others):  # changes what is to be restored
                self._append(lines)
                lines = []
            restored = (line for held in images.items() for line in self._restored(*held))
            self._append([*lines, *restored])
            self._steps.pop()
            return {} if others else taken

    def stamped(self, line: LabelLine, **changes: object) -> LabelLine:
        """A line with these changes, by this person and of now."""
        return replace(line, by=self._by, at=utc_now(), **changes)

    def taken_back(self, sha256: str) -> Iterator[LabelLine]:
        """The lines after which nothing holds for an image, nor a label that a name has hidden."""
        for name in self._held(sha256).excluded:
            yield self._again(sha256, Decided("not-this", name), undo=True)
        last = self.file.so_far.last(sha256)
        if last is not None and not last.undo:
            yield self.stamped(last, undo=True)

    def _since(self, sha256: str, before: _Held) -> Decided | None:
        """What was decided about an image of which this held before."""
        now = self._held(sha256)
        names = [name for name in now.excluded if name not in before.excluded]
        return Decided("not-this", names[0]) if names else now.decided

    def _restored(self, sha256: str, before: _Held) -> Iterator[LabelLine]:
        """The lines after which this holds for an image again."""
        now = self._held(sha256)
        for name in now.excluded:
            if name not in before.excluded:
                yield self._again(sha256, Decided("not-this", name), undo=True)
        if now.decided != before.decided:
            yield self._back(sha256, now, before)
        for name in before.excluded:
            if name not in now.excluded:
                yield self._again(sha256, Decided("not-this", name))

    def _back(self, sha256: str, now: _Held, before: _Held) -> LabelLine:
        """The line after which an image has the decision before: from where that was taken. A label
        of a class folder that is taken back may be given by it again."""
        if before.decided is None:
            assert now.decided is not None
            line = self._again(sha256, now.decided, undo=True)
            return replace(line, taken_from=NO_FOLDERS) if is_of_folder(line.taken_from) else line
        assert before.line is not None
        kind, label = before.decided.kind, before.decided.label
        return replace(before.line, kind=kind, label=label, at=utc_now())

    def _again(self, sha256: str, decided: Decided, *, undo: bool = False) -> LabelLine:
        """A line about an image that has one."""
        line = self.file.so_far.line(sha256)
        assert line is not None
        return self.stamped(line, kind=decided.kind, label=decided.label, undo=undo)

    def _held(self, sha256: str) -> _Held:
        so_far = self.file.so_far
        return _Held(so_far.of(sha256), so_far.excluded(sha256), so_far.line(sha256))

    def _append(self, lines: Sequence[LabelLine]) -> None:
        if lines:
            self.file.append(lines)
            self.note(self.file.refresh())
