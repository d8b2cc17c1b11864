"""The corrections of tables, for a trainer: their lines, with the place where each file is now."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from producer.job.sealed_journal import SealedJournal
from producer.job.snapshot import has_journal
from producer.present.formatting import typed
from producer.sources import row_files
from producer.sources.row_files import RowFiles
from shared.errors import UsageError
from shared.labels import labels_file
from shared.labels.class_folders import problem_beside
from shared.labels.label_line import LabelLine, placed
from shared.labels.labels_so_far import LabelsSoFar, RowLabels
from shared.labels.submitted_lines import encode_lines
from shared.messages.files import printable


def corrections_input(tables: Sequence[Path], *, undone: bool = False) -> bytes | None:
    """The input of a request that uses the corrections of these tables; None without tables.

    `undone`: with the decisions that were taken back, which a model may have learned from.
    Raises as `corrected_files`.
    """
    return encode_lines(corrected_files(tables, undone=undone)) if tables else None


def corrected_files(tables: Sequence[Path], *, undone: bool = False) -> list[LabelLine]:
    """The decisions in force of all tables; of one image the last one.

    `undone`: then those that were taken back in every table that has one.

    Raises:
        UsageError: a table is missing, or has no corrections.
        SetupError: a log is damaged or has a label that cannot name a folder, or a journal cannot
            be read.
    """
    lines = [line for table in tables for line in _of_table(table, undone)]
    so_far = LabelsSoFar(sorted(lines, key=lambda line: (not line.undo, line.at)))
    return [line for line in so_far.lines() if undone or not line.undo]


def _of_table(table: Path, undone: bool) -> list[LabelLine]:
    if not has_journal(table):  # the log may have been copied without its job
        return list(_decisions(table, (), undone).so_far.lines())
    with (
        SealedJournal(table, or_running=True) as sealed,
        row_files.of_table(table, sealed.options) as files,
    ):
        decisions = _decisions(table, sealed.card.labels, undone)
        paths = _paths(sealed, decisions, files)
        return [placed(line, paths.get(line.sha256, b"")) for line in decisions.so_far.lines()]


def _decisions(table: Path, labels: Sequence[str], undone: bool) -> RowLabels:
    """The decisions about a table, whose model has these labels."""
    log = labels_file.of_table(table)
    decisions = labels_file.read(log, problem_beside(labels))
    counting = (line for line in decisions.so_far.lines() if undone or not line.undo)
    if not any(line.kind == "label" for line in counting):
        if not has_journal(table) and not log.exists():
            raise UsageError(
                f"there is no table {table} with corrections; name one that was reviewed"
            )
        review = typed(["hangtag", "review", str(table)])
        raise UsageError(f"{table} has no corrections; make some with: {review}")
    return decisions


def _paths(sealed: SealedJournal, decisions: RowLabels, files: RowFiles) -> dict[str, bytes]:
    """The absolute path of a file of each decision, by SHA-256; decisions without an existing file
    are left out. Rows match by size and CRC-32 only; the trainer compares the SHA-256."""
    paths: dict[str, bytes] = {}
    for batch in sealed.row_batches():
        for i, content in enumerate(batch.contents):
            if content not in decisions.lines:
                continue
            name = batch.names[i]
            sha256 = decisions.sha256(content, batch.first + i, partial(printable, name))
            if sha256 not in paths:
                path = files.path(name)
                if path is not None and os.path.exists(path):
                    paths[sha256] = os.path.abspath(path)
    return paths


def labelled_input(path: Path, folder: str) -> bytes:
    """The input of a request that learns from a labels file. It has also what was taken back: an
    earlier version may have learned it.

    Raises:
        UsageError: the file is missing, or has no label.
        SetupError: it is damaged.
    """
    so_far = labels_file.read(path).so_far
    if not so_far.labels():
        label = typed(["hangtag", "label", folder])
        raise UsageError(f"there are no labels in {path}; give some with: {label}")
    return encode_lines(placed(line, b"") for line in so_far.lines())
