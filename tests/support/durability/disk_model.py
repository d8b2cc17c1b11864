"""A model of a disk after a power failure, fed with the system calls of a process.

The content of a file is durable once the file was synced after its last write, a name once its
folder was synced. There is no order between two writes, or between two names.
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

from tests.support.durability.syscall_trace import Call

_SYNCS = ("fsync", "fdatasync")
#: SQLite rebuilds the index of its log from the log.
_REBUILT = "-shm"
#: A log of SQLite's without content is as good as none.
_LOG = "-wal"


class Disk:
    """The files below some folders; files that exist at first count as durable."""

    def __init__(self, *folders: Path) -> None:
        self._folders = tuple(f"{folder}/" for folder in folders)
        self._dirty: dict[str, list[bytes]] = defaultdict(list)  #: file -> writes that may be lost
        self._safe: dict[str, list[bytes]] = defaultdict(
            list
        )  #: file -> writes that cannot be lost
        self._loose: set[str] = set()  #: new names that may be lost
        self.removed: set[str] = set()  #: removed names that may come back

    @property
    def at_risk(self) -> set[str]:
        """Files and names that a power failure would revert."""
        written = {path for path, writes in self._dirty.items() if writes}
        empty = {path for path in self._loose if path.endswith(_LOG) and not self._safe.get(path)}
        return self._loose - empty | written

    def holds(self, data: bytes, suffix: str) -> bool:
        """Whether a file with this suffix has this content durably."""
        found = (w for path, writes in self._safe.items() if path.endswith(suffix) for w in writes)
        return any(data in written for written in found)

    def apply(self, call: Call) -> None:
        """Apply one call. Raises AssertionError if a rename could expose a partial file."""
        name = call.name.removesuffix("2").removesuffix("at").removesuffix("64")
        if name in _SYNCS:
            self._sync(call.path)
        elif name in ("write", "pwrite", "ftruncate"):
            if self._counts(call.path):
                self._dirty[call.path].append(call.data)
        else:
            self._rename(name, call, [os.fsdecode(string) for string in call.strings])

    def _rename(self, name: str, call: Call, paths: list[str]) -> None:
        if not paths or not self._counts(paths[-1]):
            return
        if name == "rename":
            part, path = paths
            assert not self._dirty.pop(part, []), f"{path} may be half of {part}"
            self._loose.discard(part)
            self._loose.add(path)
            self._safe[path] = self._safe.pop(part, [])
        elif name == "link":
            self._loose.add(paths[1])
        elif name == "unlink":
            self._dirty.pop(paths[0], None)
            self._loose.discard(paths[0])
            self.removed.add(paths[0])
        elif name == "mkdir" or (name == "open" and self._creates(call, paths[0])):
            self._loose.add(paths[0])
            self.removed.discard(paths[0])

    def _creates(self, call: Call, path: str) -> bool:
        return "O_CREAT" in call.flags and path not in self._safe and path not in self._dirty

    def _sync(self, path: str) -> None:
        self._safe[path] += self._dirty.pop(path, [])
        for names in (self._loose, self.removed):
            names -= {name for name in names if os.path.dirname(name) == path}

    def _counts(self, path: str) -> bool:
        return path.startswith(self._folders) and not path.endswith(_REBUILT)
