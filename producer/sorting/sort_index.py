"""The user's own index of sorts: which log was made here, and where its files come from.

An entry is written before anything else of a sort is, and removed after its `--undo`. The log of a
folder may have been written by any user of that folder, an entry only by this user.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from producer.journal import job_index
from producer.sort_log.log_tables import TOKEN
from producer.sorting.source_folders import SourceFolders
from shared import atomic_file
from shared.errors import MISFITS
from shared.failpoints import failpoint


class IndexedFolder(msgspec.Struct, frozen=True):
    """A folder that this user has sorted into."""

    token: str  #: of its log
    out: bytes  #: where it was, absolute
    #: The folders that the sort made, OUT and those above it, absolute.
    made: tuple[bytes, ...] = ()
    tables: frozenset[str] = frozenset()  #: empty until its log exists
    sources: SourceFolders = SourceFolders()

    @property
    def is_pending(self) -> bool:
        """Whether its log was not written yet, or is removed already."""
        return not self.tables


def of_log(token: str) -> IndexedFolder | None:
    """The entry of a log."""
    return _read(_path(token)) if TOKEN.fullmatch(token) else None


def pending(out: bytes) -> IndexedFolder | None:
    """What a sort into this folder has recorded that ended before it wrote its log, or after it
    removed it."""
    of_out = (entry for entry in _entries() if entry.out == out)
    return next((entry for entry in of_out if entry.is_pending), None)


def folders() -> list[str]:
    """The folders that this user has sorted into, also those of tables that have moved."""
    return [os.fsdecode(entry.out) for entry in _entries()]


def remember(entry: IndexedFolder) -> None:
    """Add an entry, or replace that of the same log. Raises SetupError."""
    if entry == of_log(entry.token):
        return
    path = _path(entry.token)
    draft = _draft(entry.token)
    with atomic_file.writing(path, job_index.REMEDY):
        job_index.make_private(path.parent)
        with atomic_file.created(draft) as file:
            file.write(msgspec.json.encode(entry))
        atomic_file.place(draft, path)
    failpoint("sort.indexed")


def forget(token: str) -> None:
    """Remove the entry of a log. Raises SetupError."""
    path = _path(token)
    with atomic_file.writing(path, job_index.REMEDY):
        path.unlink(missing_ok=True)
        _draft(token).unlink(missing_ok=True)  # of a killed process
    failpoint("sort.index-forgotten")


def _entries() -> Iterator[IndexedFolder]:
    try:
        names = sorted(os.listdir(_folder()))
    except OSError:
        return
    for name in names:
        if entry := of_log(name.removesuffix(".json")):
            yield entry


def _folder() -> Path:
    return job_index.index_dir().with_name("sorts")


def _path(token: str) -> Path:
    return _folder() / f"{token}.json"


def _draft(token: str) -> Path:
    """The next entry of a log. One process at a time has the log, so the next one replaces it."""
    return _folder() / f".{token}"


def _read(path: Path) -> IndexedFolder | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=IndexedFolder)
    except (OSError, *MISFITS):
        return None
