"""Names the rows of decisions, after a job has got other rows, or of labels that its version has
learned: their files are compared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from producer.journal.batch_reader import BatchReader
from producer.present.formatting import counted, one_line
from shared.image_status import Status
from shared.labels import correction_log
from shared.labels.class_folders import problem_beside
from shared.labels.correction import Content, Correction
from shared.labels.decided_rows import DecidedRows
from shared.labels.labelled_files import LabelledFile
from shared.messages.files import Stamp, printable
from shared.messages.model_card import Card

#: The SHA-256 of a row's file, if it is the one that was classified: of its path in the table, its
#: stamp and its CRC-32.
Hash = Callable[[bytes, Stamp, bytes], str | Status]
#: Labels of people that are named because the version does not have them.
LABELS_SHOWN = 5


class Named(NamedTuple):
    """What was appended to a log."""

    size: int  #: of the log that was read
    learned: Sequence[Correction] = ()  #: decisions of the version that hold for rows
    new: int = 0  #: of these, not in the log before
    unread: int = 0  #: rows that may have such a label, and whose file cannot be read again


def name_rows(
    output: Path,
    journal: BatchReader,
    labels: Sequence[str],
    sha256_of: Hash,
    passed: Callable[[int], None] = lambda rows: None,
    learned: Sequence[LabelledFile] = (),
) -> Named:
    """Append a line for each decision that holds for other rows of the journal than its line says,
    and for each decision that was learned and that the log has not, or no later one instead.
    `labels` are those of the job's model. `passed` gets the number of rows that were compared, as
    they are.

    A row whose file cannot be read follows its decision as before.

    Raises:
        SetupError: the log cannot be read or written, or is damaged.
    """
    log = correction_log.log_path(output)
    follower, decided = correction_log.Follower(log, problem_beside(labels)), DecidedRows()
    for decision in follower.new():
        decided.add(decision)
    new = {file.sha256: file for file in learned if _is_later(file, decided)}
    wanted = {known.content for known in decided.in_force.values()}
    wanted |= {file.content for file in new.values()}
    if not wanted:
        return Named(follower.size)
    candidates = _Candidates(decided, _rows(journal, wanted, passed), sha256_of)
    taken = [line for f in new.values() if (line := candidates.learned(f, labels)) is not None]
    others = decided.in_force.keys() - {line.sha256 for line in taken}
    renamed = (candidates.renamed(decided.in_force[sha256]) for sha256 in sorted(others))
    if lines := [*filter(None, renamed), *taken]:
        correction_log.append(log, lines, follower.size)
    earlier = [decided.in_force[f.sha256] for f in learned if _holds(f, decided)]
    contents = {file.content for file in new.values()}
    return Named(follower.size, [*earlier, *taken], len(taken), candidates.unread(contents))


def said(named: Named, output: Path, card: Card) -> Iterator[str]:
    """What to say of the decisions that a version has learned, once they are in the log."""
    labels = [line.label for line in named.learned if line.label]
    others = len(named.learned) - len(labels)
    if named.new and labels:
        verb = "is a correction" if len(labels) == 1 else "are corrections"
        yield (
            f"{counted(len(labels), 'label')} that people gave {verb} of {output.name}; "
            "a summary counts the labels of the model"
        )
    if named.new and others:
        yield (
            f"{counted(others, 'image')} with labels that people excluded: unknown where the model "
            "gives one of these"
        )
    unknown = sorted(set(labels) - set(card.labels))
    if named.new and unknown:
        some = ", ".join(one_line(label) for label in unknown[:LABELS_SHOWN])
        more = f" and {len(unknown) - LABELS_SHOWN:,} more" if unknown[LABELS_SHOWN:] else ""
        yield f"{card.ref} does not give all of these labels: not {some}{more}"
    if named.unread:
        yield (
            f"{counted(named.unread, 'row')} may have a label that a person gave, and the file "
            "cannot be read again; run classify --update once it can"
        )


def _is_later(file: LabelledFile, decided: DecidedRows) -> bool:
    """Whether something was learned after the last decision that the log has about the image. Its
    line has the same time, so it is written once."""
    last = decided.last(file.sha256)
    return last is None or last.at < file.at


def _holds(file: LabelledFile, decided: DecidedRows) -> bool:
    """Whether the log has this decision already."""
    line = decided.in_force.get(file.sha256)
    return line is not None and line.at == file.at and file.label in ("", line.label)


class _Row(NamedTuple):
    number: int
    name: bytes
    stamp: Stamp
    content: Content
    label: int  #: of the model


class _Candidates:
    """The rows with the size and CRC-32 of a decision, of the log or learned."""

    def __init__(self, decided: DecidedRows, rows: Iterable[_Row], sha256_of: Hash) -> None:
        self._decided = decided
        self._same: dict[str, list[_Row]] = {}  #: by SHA-256
        self._unread: dict[Content, set[int]] = {}
        self._before: dict[str, set[int]] = {}  #: rows that each decision holds for
        for row in rows:
            decision = decided.of(row.content, row.number)
            if decision is not None:
                self._before.setdefault(decision.sha256, set()).add(row.number)
            sha256 = sha256_of(row.name, row.stamp, row.content.digest)
            if isinstance(sha256, Status):
                self._unread.setdefault(row.content, set()).add(row.number)
            else:
                self._same.setdefault(sha256, []).append(row)

    def renamed(self, decision: Correction) -> Correction | None:
        """The decision with the rows that it holds for now; None if its line says so, or if it is
        of an older version and a file cannot be compared."""
        before = self._before.get(decision.sha256, set())
        unread = self._unread.get(decision.content, set()) & before
        rows = set(self._rows(decision.sha256)) | unread
        is_unproven = decision.rows is None
        if (is_unproven and unread) or (rows == before and not (is_unproven and rows)):
            return None
        line = self._decided.last(decision.sha256) or decision  # it may take a label back
        return msgspec.structs.replace(line, rows=sorted(rows))

    def learned(self, file: LabelledFile, labels: Sequence[str]) -> Correction | None:
        """A line for what was learned of an image; None if no row has it. A label that the log has
        stays if nothing contradicts it."""
        rows = self._same.get(file.sha256)
        if rows is None:
            return None
        before = self._decided.in_force.get(file.sha256)
        if not file.label and before is not None and before.label not in ("", *file.excluded):
            file = msgspec.structs.replace(file, label=before.label, by=before.by)
        return Correction(
            sha256=file.sha256,
            path=printable(rows[0].name),
            row=rows[0].number,
            guess=labels[rows[0].label],
            label=file.label,
            by=file.by,
            size=file.size,
            crc32=file.crc32,
            at=file.at,
            rows=self._rows(file.sha256),
            excluded=file.excluded,
        )

    def unread(self, contents: Collection[Content]) -> int:
        """The number of rows with these contents whose file cannot be read."""
        return sum(len(self._unread.get(content, ())) for content in contents)

    def _rows(self, sha256: str) -> list[int]:
        return [row.number for row in self._same.get(sha256, ())]


def _rows(
    journal: BatchReader, wanted: set[Content], passed: Callable[[int], None]
) -> Iterator[_Row]:
    """The labelled rows with these contents."""
    for batch in journal.row_batches():
        if not wanted.isdisjoint(batch.contents):
            for i, content in enumerate(batch.contents):
                if content in wanted and batch.statuses[i] == Status.OK.code:
                    number, name, stamp = batch.first + i, batch.names[i], batch.stamps[i]
                    yield _Row(number, name, stamp, content, batch.labels[i])
        passed(len(batch))
