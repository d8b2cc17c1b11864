"""The files of a data set that are no images, and whether there are too many of them."""

from __future__ import annotations

from collections.abc import Callable

from shared.errors import SetupError
from worker.class_walk import shown
from worker.decoded import Bad

#: So many are named in a report, and so few in an error.
NAMED, NAMED_IN_ERROR = 1000, 3


class Refused:
    """What was refused of `total` files; more than the share `share` of them is an error."""

    def __init__(
        self, root: bytes, total: int, share: float, on_progress: Callable[[int, int], None]
    ) -> None:
        self._root, self._total, self._share = root, total, share
        self._on_progress = on_progress
        self._done = 0
        self.count = 0
        self.named: list[str] = []

    def add(self, bad: Bad) -> None:
        """Note one."""
        self.count += 1
        if len(self.named) < NAMED:
            path = shown(bad.path[len(self._root) + 1 :])
            self.named.append(f"{path}: {bad.status.sentence}")

    def done(self, files: int) -> None:
        """So many more files were looked at."""
        self._done += files
        self.check()
        self._on_progress(self._done, max(self._done, self._total))

    def check(self) -> None:
        """Let them pass if they are within the budget. Raises SetupError."""
        if self.count <= self._share * self._total:
            return
        first = "; ".join(name.removesuffix(".") for name in self.named[:NAMED_IN_ERROR])
        raise SetupError(
            f"{self.count} of the first {self._done} files could not be read, more than "
            f"{self._share:.1%} of all {self._total} ({first}); remove them, or allow more with "
            "--max-unreadable"
        )
