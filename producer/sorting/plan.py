"""Which folder each row of a table goes to, and which place there its file gets."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from producer.journal.sealed_journal import SealedJournal
from producer.rows.decide import Decision
from producer.rows.row_batch import AS_CLASSIFIED, RowBatch, Rules
from producer.sort_log.entry import ClassifiedContent, Entry, State, Way
from producer.sort_log.log import SortLog
from producer.sorting.folders import Folders
from producer.sorting.source_folders import SourceFolders, Sources
from producer.sorting.spots import CHANGED, MISSING, NOT_REGULAR, FileStays, Spot, numbered
from producer.sources.job_sources import JobSources
from producer.sources.remote.address import without_line
from producer.sources.source_table import address_of_path
from shared.image_status import BY_CODE, Status
from shared.labels.class_folders import FAILED, FLAGGED, UNKNOWN, ClassFolders
from shared.messages.files import NO_DIGEST

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
    sources: SourceFolders
    within: frozenset[bytes]  #: the folders directly in OUT that have images; empty: OUT itself


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

    def survey(self, out: bytes) -> PlanCounts:
        """What is to be sorted into `out`; reads all rows."""
        counts, within = Counter[str](), set[bytes]()
        digest, sources = hashlib.sha256(), Sources(self._sealed.options)
        for batch in self._sealed.row_batches(self._rules):
            folders = self._folders_of(batch)
            counts.update(folders)
            digest.update("/".join((*folders, "")).encode())
            for path in map(sources.path, batch.names):
                if path.startswith(out + b"/"):
                    folder, slash, _ = path[len(out) + 1 :].partition(b"/")
                    within.add(folder if slash else b"")
        return PlanCounts(counts, digest.hexdigest(), sources.folders, frozenset(within))

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
        return others and self._sources.of(name).local_path(name) is None

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


class Planner:
    """Makes the entries of a sorted table. What lies in the log or on the disk is no free place,
    also where case does not count."""

    def __init__(self, log: SortLog, sorting: int, way: Way, left: Remaining) -> None:
        self._log, self._sorting, self._way, self._left = log, sorting, way, left

    def plan(self, rows: Sequence[PlannedFile], folders: Folders) -> list[Entry]:
        """New entries of the log, in its open transaction, for rows whose files can be placed.
        Among them are those of files that lie in their place already, which are not in the log."""
        there = self._log.rows(self._sorting, rows[0].row_index, rows[-1].row_index + 1)
        entries = (self._entry(row, folders) for row in rows if row.row_index not in there)
        return [entry for entry in entries if entry is not None]

    def again(self, entry: Entry, folders: Folders) -> Entry:
        """The entry with another name, because its name is taken."""
        with self._log.transaction():
            self._log.forget([entry])
            return self._named(entry, file_name(entry.source), folders)

    def _entry(self, row: PlannedFile, folders: Folders) -> Entry | None:
        name = file_name(row.source)
        draft = Entry(
            sorting=self._sorting,
            row=row.row_index,
            way=self._way,
            state=State.PLACING,
            source=row.source,
            folder=row.folder,
            name=name,
            content=row.content or ClassifiedContent(0, b""),
            inode=0,
        )
        try:
            if row.content is None:
                raise FileStays(never_read(row.status))
            inode = 0 if row.name else _inode(folders.source(draft), row.content.size)
        except (FileStays, OSError) as error:
            self._left.add(reason(error), draft.shown)
            return None
        planned = draft._replace(inode=inode)
        return planned if folders.is_placed(planned) else self._named(planned, name, folders)

    def _named(self, entry: Entry, wanted: bytes, folders: Folders) -> Entry:
        folder = entry.folder
        if folders.existing(folder) is None:
            self._log.add_folder(folder)
        serial = self._log.next_serial(folder, wanted)
        while self._is_taken(named := entry._replace(name=numbered(wanted, serial)), folders):
            serial += 1
        self._log.add(named, wanted, serial)
        return named

    def _is_taken(self, entry: Entry, folders: Folders) -> bool:
        """Whether something has this place, or is to return to it."""
        return (
            self._log.is_source(folders.path(entry))
            or self._log.is_taken(entry.folder, entry.name)
            or folders.taken(entry.folder, entry.name)
        )


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


def reason(error: FileStays | OSError) -> str:
    """Why a file stays where it is."""
    if isinstance(error, OSError):
        return (error.strerror or type(error).__name__).lower()
    return str(error)
