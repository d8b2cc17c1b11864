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


class _Step(NamedTuple):
    """What a decision has changed, to take it back."""

    #: The lines about each image before, by SHA-256; of a rename about every one.
    images: dict[str, Sequence[LabelLine]]
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
            images = {line.sha256 for line in lines} - {""}
            if any(line.kind == "rename" for line in lines):
                images = so_far.known()
            before = {sha256: so_far.about(sha256) for sha256 in images}
            self._append(lines)
            self._steps.append(_Step(before, [line for line in lines if not line.sha256]))

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
            taken = {} if others else {one: self._since(one, images[one]) for one in images}
            lines = [self.stamped(line, undo=True) for line in others]
            if any(line.kind == "rename" for line in others):  # changes what is to be restored
                self._append(lines)
                lines = []
            for sha256, before in images.items():
                lines += self._restored(sha256, before)
            self._append(lines)
            self._steps.pop()
            return taken

    def stamped(self, line: LabelLine, **changes: object) -> LabelLine:
        """A line with these changes, by this person and of now."""
        return replace(line, by=self._by, at=utc_now(), **changes)

    def taken_back(self, sha256: str) -> list[LabelLine]:
        """The lines after which nothing holds for an image, and no name is excluded."""
        lines = _in_force(self.file.so_far.about(sha256)).values()
        return [self.stamped(line, undo=True) for line in lines]

    def _since(self, sha256: str, before: Sequence[LabelLine]) -> Decided | None:
        """What was decided about an image since these lines were the ones about it."""
        so_far, known = self.file.so_far, _in_force(before)
        new = (decided for decided in _in_force(so_far.about(sha256)) if decided not in known)
        return next(new, so_far.of(sha256))

    def _restored(self, sha256: str, before: Sequence[LabelLine]) -> Iterator[LabelLine]:
        """The lines after which an image has these decisions again."""
        now, wanted = _in_force(self.file.so_far.about(sha256)), _in_force(before)
        lost = {decided: line for decided, line in wanted.items() if decided not in now}
        is_replaced = any(decided.kind != "not-this" for decided in lost)
        for decided, line in now.items():
            if decided not in wanted and (decided.kind == "not-this" or not is_replaced):
                # A label of a class folder may be given by it again.
                of_folder = is_of_folder(line.taken_from)
                taken_from = NO_FOLDERS if of_folder else line.taken_from
                yield self.stamped(line, undo=True, taken_from=taken_from)
        for line in lost.values():
            yield replace(line, at=utc_now())

    def _append(self, lines: Sequence[LabelLine]) -> None:
        if lines:
            self.file.append(lines)
            self.note(self.file.refresh())


def _in_force(lines: Sequence[LabelLine]) -> dict[Decided, LabelLine]:
    """The decisions of lines about one image that do not take one back."""
    in_force = (line for line in lines if not line.undo)
    return {Decided(line.kind, line.label): line for line in in_force}  # type: ignore[arg-type]
