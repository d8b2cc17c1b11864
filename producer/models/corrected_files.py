"""The corrections of tables, for a trainer: the label of each file, and where the file is now."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

from producer.journal.snapshot import has_journal
from producer.output.formatting import typed
from producer.pages.file_location import FileLocation
from producer.rendering.person_labels import Content
from producer.sorting import moved_files
from producer.verify.sealed_journal import SealedJournal
from shared.errors import UsageError
from shared.labels import correction_log
from shared.labels.correction import Correction, in_force
from shared.labels.labelled_files import LabelledFile, encode_files
from shared.messages.files import DIGEST_BYTES


def corrections_input(tables: Sequence[Path]) -> bytes | None:
    """The input of a request that uses the corrections of these tables; None without tables.
    Raises as `corrected_files`."""
    return encode_files(corrected_files(tables)) if tables else None


def corrected_files(tables: Sequence[Path]) -> list[LabelledFile]:
    """The decisions in force of all tables; of one picture the decision of the last table.

    Raises:
        UsageError: a table has no corrections.
        SetupError: a log is damaged, or a journal cannot be read.
    """
    found: dict[str, LabelledFile] = {}
    for table in tables:
        decisions = in_force(correction_log.read(correction_log.log_path(table)))
        if not decisions:
            review = typed(["hangtag", "review", str(table)])
            raise UsageError(f"{table} has no corrections; make some with: {review}")
        found |= {file.sha256: file for file in _located(table, decisions.values())}
    return list(found.values())


def _located(table: Path, decisions: Collection[Correction]) -> Iterator[LabelledFile]:
    paths = _paths(table, {_content(one) for one in decisions})
    for one in decisions:
        path = paths.get(_content(one), b"")
        yield LabelledFile(one.sha256, one.size, one.label, path)


def _paths(table: Path, wanted: set[Content]) -> dict[Content, bytes]:
    """The absolute path of a file with each content, as far as the table's job has one."""
    found: dict[Content, bytes] = {}
    if not has_journal(table):  # the log may have been copied without its job
        return found
    with SealedJournal(table, or_running=True) as sealed, moved_files.of_table(table) as moved:
        files = FileLocation(sealed.options, partial(moved.of_row, sealed.options.cwd))
        for batch in sealed.files():
            each = zip(batch.names, batch.stamps, batch.digests, strict=True)
            for name, stamp, digest in each:
                content = Content(stamp[0], digest)
                if content in wanted and content not in found:
                    path = os.path.abspath(files.path(name))
                    if os.path.exists(path):
                        found[content] = path
    return found


def _content(one: Correction) -> Content:
    return Content(one.size, int(one.crc32, 16).to_bytes(DIGEST_BYTES, "little"))
