"""Which folder each row of a table goes to, and which place there its file gets."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from producer.job.job_options import JobOptions
from producer.job.row_batch import AS_CLASSIFIED, Decision, RowBatch, Rules
from producer.job.sealed_journal import SealedJournal
from producer.sort_log.log import ClassifiedContent, Entry, SortLog, Way
from producer.sorting.folders import (
    CHANGED,
    MISSING,
    NOT_REGULAR,
    FileStays,
    Folders,
    Spot,
    numbered,
)
from producer.sorting.transfer import stopped
from producer.sources.job_sources import JobSources
from producer.sources.reader import FileReader
from producer.sources.remote.address import without_line
from producer.sources.source import address_of_path, is_address, path_of_address
from shared.image_status import BY_CODE, Status
from shared.labels.class_folders import FAILED, FLAGGED, UNKNOWN, ClassFolders, folded
from shared.messages.files import NO_DIGEST


class Sources:
    """The files of a job's rows. Symbolic links are resolved where the user typed a path, and not
    below a typed folder, where the walk follows none."""

    def __init__(self, options: JobOptions) -> None:
        self._files = FileReader(options.cwd)
        self._roots = [
            (typed.rstrip(b"/") + b"/", self._real(typed).rstrip(b"/") + b"/")
            for typed in options.roots
            if os.path.isdir(self._files.local_path(typed))  # each row is compared with all
        ]
        self._last = (b"", b"")  # a folder as typed, and resolved

    def path(self, name: bytes) -> bytes:
        """The absolute path of a row's file; of an address one that no file has."""
        if is_address(name, self._files.local_path(name)):
            return path_of_address(name)
        for typed, real in self._roots:
            if name.startswith(typed):
                return real + name[len(typed) :]
        folder, _, file = name.rpartition(b"/")
        if self._last[0] != folder or not self._last[1]:
            self._last = folder, self._real(folder or (b"/" if name.startswith(b"/") else b"."))
        return self._last[1].rstrip(b"/") + b"/" + file

    def covers(self, folder: bytes) -> bool:
        """Whether a folder was typed, or is below one that was."""
        return any((folder + b"/").startswith(real) for _, real in self._roots)

    def _real(self, path: bytes) -> bytes:
        return os.path.realpath(self._files.local_path(path))


#: Errors that the next file meets, too.
_STOP = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
#: The name of an image whose address has none.
_UNNAMED = b"image"
#: The folder of rows without a label that counts.
_INSTEAD: dict[int, str] = {
    Decision.FAILED: FAILED,
    Decision.FLAGGED: FLAGGED,
    Decision.UNKNOWN: UNKNOWN,
}


class PlannedFile(NamedTuple):
    """The file of one row, and where it goes."""

    row_index: int  #: from 0
    source: bytes  #: absolute path, without symbolic links above the typed folder
    folder: str
    content: ClassifiedContent | None  #: None: the file was never read
    status: Status  #: of the row
    name: bytes = b""  #: of the row, if its image is in no file of its own


class PlanCounts(NamedTuple):
    """All rows in figures."""

    counts: Counter[str]  #: rows by folder
    rule: str  #: a digest of each row's folder
    is_mixed: bool  #: whether OUT has images that would be mixed with the sorted ones


class Plan:
    """The rows of a finished job, as its table displays them."""

    def __init__(
        self,
        sealed: SealedJournal,
        sources: JobSources,
        rules: Rules = AS_CLASSIFIED,
    ) -> None:
        """Raises UsageError for a label that no folder can be named after."""
        self._sources = sources
        self._sealed, self._rules = sealed, rules
        labels, given = sealed.card.labels, rules.given_labels
        self._class_folders = ClassFolders({*labels, *(given.labels if given else ())})
        self._folders = [self._class_folders.folder(label) for label in labels]

    def survey(self, into: str) -> PlanCounts:
        """What is to be sorted into a folder; reads all rows."""
        out = os.fsencode(into)
        counts, within = Counter[str](), set[bytes]()  #: folders directly in OUT; b"": OUT itself
        digest, sources = hashlib.sha256(), Sources(self._sealed.options)
        for batch in self._sealed.row_batches(self._rules):
            folders = self._folders_of(batch)
            counts.update(folders)
            digest.update("/".join((*folders, "")).encode())
            for path in map(sources.path, batch.names):
                if path.startswith(out + b"/"):
                    folder, slash, _ = path[len(out) + 1 :].partition(b"/")
                    within.add(folder if slash else b"")
        is_source = bool(within) and sources.covers(out)
        is_mixed = is_source or not within.isdisjoint({b"", *map(os.fsencode, counts)})
        return PlanCounts(counts, digest.hexdigest(), is_mixed)

    def files(self) -> Iterator[PlannedFile]:
        """The file of every row, in order."""
        sources = Sources(self._sealed.options)
        for batch in self._sealed.row_batches(self._rules):
            columns = (batch.names, batch.contents, batch.statuses, self._folders_of(batch))
            files = zip(*columns, strict=True)
            for row_index, (name, content, code, folder) in enumerate(files, batch.first - 1):
                known = content.size >= 0 and content.digest not in (b"", NO_DIGEST)
                classified = ClassifiedContent(*content) if known else None
                elsewhere = name if self._is_elsewhere(name) else b""
                yield PlannedFile(
                    row_index, sources.path(name), folder, classified, BY_CODE[code], elsewhere
                )

    def _is_elsewhere(self, name: bytes) -> bool:
        """Whether a row's image is in no file of its own."""
        others = self._sources.has_others
        return others and self._sources.source_of(name).local_path(name) is None

    def _folders_of(self, batch: RowBatch) -> list[str]:
        """The folder of each row."""
        rows = zip(batch.decisions, batch.labels, strict=True)
        folders = [_INSTEAD.get(decision) or self._folders[label] for decision, label in rows]
        for i, label in batch.given_labels.items():
            folders[i] = self._class_folders.folder(label)
        return folders


class Remaining:
    """The files that stay where they are, by reason."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: dict[str, str] = {}  #: a file for each reason

    def add(self, reason: str, path: str) -> None:
        """Count a file."""
        self.counts[reason] += 1
        self.first.setdefault(reason, path)

    def refuse(self, path: str, error: FileStays | OSError) -> None:
        """Count a file. Raises SetupError if the next one would stay, too."""
        reason = str(error)
        if isinstance(error, OSError):
            if error.errno in _STOP:
                raise stopped(path, error) from error
            reason = (error.strerror or type(error).__name__).lower()
        self.add(reason, path)


class Names:
    """The names in the folders of OUT that are free: nothing has them, is to return to them, or
    differs from them in case only."""

    def __init__(self, log: SortLog) -> None:
        self._out = os.fsencode(log.out) + b"/"
        self._logged: dict[str, set[str]] = {}  #: by folder: of files in the log, and their sources
        self._taken: dict[str, set[str]] = {}
        self._last: dict[tuple[str, str], int] = {}  #: the last number of a name
        for entry in log.entries.values():
            self._logged.setdefault(entry.folder, set()).add(_folded_name(entry.name))
            self.keep_name(entry.source)

    def keep_name(self, source: bytes) -> None:
        """Keep the name of a file that is about to be moved out of one of the folders."""
        if source.startswith(self._out):
            folder, _, name = source[len(self._out) :].rpartition(b"/")
            for names in (self._logged, self._taken):
                names.setdefault(os.fsdecode(folder), set()).add(_folded_name(name))

    def free_name(self, folder: str, wanted: bytes, folders: Folders) -> bytes:
        """A free name, with a number if need be, which is taken from now on. Raises SetupError."""
        if folder not in self._taken:
            there = map(_folded_name, folders.names(folder))
            self._taken[folder] = self._logged.pop(folder, set()) | set(there)
        taken, number = self._taken[folder], self._last.get((folder, _folded_name(wanted)), 0) + 1
        while _folded_name(name := numbered(wanted, number)) in taken:
            number += 1
        taken.add(_folded_name(name))
        self._last[folder, _folded_name(wanted)] = number
        return name


def _folded_name(name: bytes) -> str:
    """Equal for names that some file system takes for one."""
    return folded(os.fsdecode(name))


class Planner:
    """Makes the entries of rows that have none in `log`."""

    def __init__(self, way: Way, log: SortLog, remaining: Remaining) -> None:
        self._way, self._placed, self._remaining = way, log.entries, remaining
        self._names = Names(log)

    def plan(
        self, rows: Sequence[PlannedFile], folders: Folders
    ) -> tuple[list[Entry], list[Entry]]:
        """Entries for rows whose files can be placed, and for those that lie in their place, which
        come into no log."""
        entries, there = list[Entry](), list[Entry]()
        for row in rows:
            if row.row_index in self._placed or (entry := self._entry(row, folders)) is None:
                continue
            (there if folders.is_placed(entry) else entries).append(entry)
        return entries, there

    def with_free_name(self, entry: Entry, folders: Folders) -> Entry:
        """The entry with another name, because its name is taken."""
        name = self._names.free_name(entry.folder, file_name(entry.source), folders)
        return msgspec.structs.replace(entry, name=name)

    def _entry(self, row: PlannedFile, folders: Folders) -> Entry | None:
        content = row.content or ClassifiedContent(0, b"")
        name = file_name(row.source)
        entry = Entry(row.row_index, self._way, row.source, row.folder, name, content, 0)
        try:
            if row.content is None:
                raise FileStays(never_read(row.status))
            inode = 0 if row.name else _inode(folders.source_spot(entry), row.content.size)
        except (FileStays, OSError) as error:
            self._remaining.refuse(entry.source_text, error)
            return None
        if folders.is_placed(entry):
            return entry
        self._names.keep_name(row.source)
        return self.with_free_name(msgspec.structs.replace(entry, inode=inode), folders)


def file_name(source: bytes) -> bytes:
    """The name that a file or its copy has; that of an address has no line of a list."""
    address = address_of_path(source)
    name = os.path.basename(without_line(address) if address else source)
    return _UNNAMED if name in (b"", b".", b"..") else name


def never_read(status: Status) -> str:
    """Why the file of a row with this status stays where it is."""
    return f"{status} when classified, content not known"


def _inode(spot: Spot, size: int) -> int:
    info = spot.stat()
    if info is None:
        raise FileStays(MISSING)
    if not stat.S_ISREG(info.st_mode):
        raise FileStays(NOT_REGULAR)
    if info.st_size != size:
        raise FileStays(CHANGED)
    return info.st_ino
