"""The corrections of tables, for a trainer: the label of each file, and where the file is now."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from producer.journal.sealed_journal import SealedJournal
from producer.journal.snapshot import has_journal
from producer.locations import row_files
from producer.locations.row_files import RowFiles
from producer.present.formatting import typed
from shared.errors import UsageError
from shared.labels import correction_log
from shared.labels.class_folders import problem_beside
from shared.labels.decided_rows import DecidedRows
from shared.labels.labelled_files import LabelledFile, encode_files
from shared.messages.files import printable


def corrections_input(tables: Sequence[Path], *, undone: bool = False) -> bytes | None:
    """The input of a request that uses the corrections of these tables; None without tables.

    `undone`: with the decisions that were taken back, which a model may have learned from.
    Raises as `corrected_files`.
    """
    return encode_files(corrected_files(tables, undone=undone)) if tables else None


def corrected_files(tables: Sequence[Path], *, undone: bool = False) -> list[LabelledFile]:
    """The decisions in force of all tables; of one image the decision of the last table.

    `undone`: then those that were taken back in every table that has one, without a label.

    Raises:
        UsageError: a table is missing, or has no corrections.
        SetupError: a log is damaged or has a label that cannot name a folder, or a journal cannot
            be read.
    """
    labelled: dict[str, LabelledFile] = {}
    taken_back: dict[str, LabelledFile] = {}
    for table in tables:
        for file in _of_table(table, undone):
            (labelled if file.label else taken_back)[file.sha256] = file
    return list((taken_back | labelled).values())


def _of_table(table: Path, undone: bool) -> list[LabelledFile]:
    if not has_journal(table):  # the log may have been copied without its job
        return _labelled(_decisions(table, (), undone), {}, undone)
    with (
        SealedJournal(table, or_running=True) as sealed,
        row_files.of_table(table, sealed.options) as files,
    ):
        decisions = _decisions(table, sealed.card.labels, undone)
        return _labelled(decisions, _paths(sealed, decisions, files), undone)


def _decisions(table: Path, labels: Sequence[str], undone: bool) -> DecidedRows:
    """The decisions about a table, whose model has these labels."""
    decided = DecidedRows()
    log = correction_log.log_path(table)
    for line in correction_log.read(log, problem_beside(labels)):
        decided.add(line)
    has_labels = any(line.label for line in decided.in_force.values())
    if not has_labels and not (undone and decided.taken_back):
        if not has_journal(table) and not log.exists():
            raise UsageError(
                f"there is no table {table} with corrections; name one that was reviewed"
            )
        review = typed(["hangtag", "review", str(table)])
        raise UsageError(f"{table} has no corrections; make some with: {review}")
    return decided


def _labelled(
    decisions: DecidedRows, paths: Mapping[str, bytes], undone: bool
) -> list[LabelledFile]:
    files = [
        LabelledFile(
            line.sha256, line.size, line.label, paths.get(line.sha256, b""),
            line.crc32, line.by, line.at, excluded=tuple(filter(line.excludes, line.excluded)),
        )
        for line in decisions.in_force.values()
        if line.label
    ]  # fmt: skip
    if undone:
        files += [LabelledFile(line.sha256, line.size, "", b"") for line in decisions.taken_back]
    return files


def _paths(sealed: SealedJournal, decisions: DecidedRows, files: RowFiles) -> dict[str, bytes]:
    """The absolute path of a file of each decision, by SHA-256; decisions without an existing file
    are left out. Rows match by size and CRC-32 only; the trainer compares the SHA-256."""
    paths: dict[str, bytes] = {}
    wanted = {decided.content for decided in decisions.in_force.values()}
    for batch in sealed.row_batches():
        for i, content in enumerate(batch.contents):
            if content not in wanted:
                continue
            name = batch.names[i]
            decision = decisions.of(content, batch.first + i, partial(printable, name))
            if decision is not None and decision.sha256 not in paths:
                path = files.path(name)
                if path is not None and os.path.exists(path):
                    paths[decision.sha256] = os.path.abspath(path)
    return paths
