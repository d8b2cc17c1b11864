"""Counts the results of a round's workers: worker_app.py writes one line to a file for each."""

from __future__ import annotations

from pathlib import Path

FILE_VARIABLE = "HANGTAG_TEST_RESULTS"


class Results:
    """The results of one round."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()

    @property
    def settings(self) -> dict[str, str]:
        """The environment of the workers."""
        return {FILE_VARIABLE: str(self._path)}

    @property
    def count(self) -> int:
        """The number of COMPLETEs with a reply. A killed worker may miss one."""
        return self._path.read_bytes().count(b"\n")

    def late(self, batches: int) -> int:
        """A lower bound for the number of results beyond one per batch."""
        return max(0, self.count - batches)
