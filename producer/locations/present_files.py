"""The images of a job as they are now, each with its stamp, in the order of its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from producer.inputs.skipped import Counts, Unlisted
from producer.locations.row_files import RowFiles
from producer.sources.walk import Walk, WalkPosition
from shared.image_status import Status
from shared.messages.files import NO_STAMP, Stamp, printable


class PresentFiles:
    """One walk. `row_files` finds those that were sorted."""

    def __init__(self, row_files: RowFiles, check: Callable[[], None] = lambda: None) -> None:
        self.row_files, self.sources = row_files, row_files.sources
        self.unlisted = Unlisted()
        self._options = self.sources.options
        self._has_one_root = len(self._options.roots) == 1
        self._walk = Walk(self.sources, self._not_listed, check=check)
        self.closed: dict[bytes, str] = {}  #: folders that cannot be listed, and why

    @property
    def is_sorted(self) -> bool:
        """Whether they are in the order of their places. A list has any order."""
        is_listed = bool(self._options.list_file)
        return not is_listed and all(source.is_sorted for source in self.sources.arguments())

    @property
    def skipped(self) -> Counts:
        """Entries without a row, by reason."""
        return self._walk.skipped

    def __iter__(self) -> Iterator[tuple[WalkPosition, Stamp]]:
        """Raises SetupError: an argument cannot be listed."""
        for number, name, stamp in self._walk.stamps():
            place = number, name
            if stamp != NO_STAMP or self._is_named(place) or not self.is_missing(name):
                yield place, stamp

    def number_of(self, name: bytes) -> int:
        """The number of the argument that an image belongs to."""
        return 0 if self._has_one_root else self.sources.number_of(name)

    def refusal(self, name: bytes) -> Status | None:
        """Why an image has no bytes; None if it can be read."""
        content, _ = self.sources.of(name).read_small(name, 0, self._options.max_file_bytes)
        return content if isinstance(content, Status) else None

    def may_hold(self, name: bytes) -> bool:
        """Whether an image lies in a folder that cannot be listed now, so that it may be there."""
        return any(name.startswith(folder + b"/") for folder in self.closed)

    def is_missing(self, name: bytes) -> bool:
        """Whether an image is known to be gone."""
        return self.sources.of(name).is_missing(name)

    def is_absent(self, file: tuple[WalkPosition, Stamp]) -> bool:
        """Whether a file that was named is known to be gone."""
        (_, name), stamp = file
        return stamp == NO_STAMP and self.is_missing(name)

    def _is_named(self, place: WalkPosition) -> bool:
        """Whether it was named, by a list or as an argument: then it may be missing."""
        number, name = place
        return bool(self._options.list_file) or name == self._options.roots[number]

    def _not_listed(self, folder: bytes, why: str) -> None:
        self.closed[folder] = why
        self.unlisted = self.unlisted.and_one(printable(folder), why)
