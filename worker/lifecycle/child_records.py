"""What the children of a worker have done and loaded, as its parent knows from their reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

#: What a child returns for a hint: its pid, the number of images it submitted, the number of them
#: for each status other than `ok`, and its loaded versions, the most recently used at the end.
#: Plain types, since Celery passes its `repr` to the parent.
ChildReport = tuple[int, int, dict[str, int], list[str]]


class WorkerStats:
    """One per worker parent, which sees the return values of tasks and never the results of
    batches."""

    def __init__(self) -> None:
        self.images = 0  #: since the start
        self._failures: Counter[str] = Counter()
        self._loaded: dict[int, Sequence[str]] = {}  #: pid -> the versions of its last report

    def add(
        self, pid: int, images: int, failures: Mapping[str, int], loaded: Sequence[str]
    ) -> None:
        """Add the fields of a `ChildReport`."""
        self.images += images
        self._failures.update(failures)
        self._loaded[pid] = loaded

    @property
    def failures(self) -> dict[str, int]:
        """Images that got a row other than `ok`, by status, since the start."""
        return dict(sorted(self._failures.items()))

    def versions(self, pids: Collection[int]) -> list[str]:
        """The versions that these children have loaded; forgets all other children."""
        for pid in self._loaded.keys() - set(pids):
            del self._loaded[pid]
        return sorted({version for pid in pids for version in self._loaded.get(pid, ())})
