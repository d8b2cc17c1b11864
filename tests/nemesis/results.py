"""How many results a round's workers gave: one line in a file each, written by worker_app.py."""

from __future__ import annotations

from pathlib import Path

FILE_VARIABLE = "HANGTAG_TEST_RESULTS"


class Results:
    """Those of one round."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()

    @property
    def settings(self) -> dict[str, str]:
        """The environment of the workers."""
        return {FILE_VARIABLE: str(self._path)}

    @property
    def count(self) -> int:
        """COMPLETEs that the server has answered. Of a worker that is killed one may be missing."""
        return self._path.read_bytes().count(b"\n")

    def late(self, batches: int) -> int:
        """Results beyond one for each batch; at least so many."""
        return max(0, self.count - batches)
