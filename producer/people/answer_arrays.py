"""The answers of a finished job, compact in memory: about 25 bytes for each row.

Names and alternatives stay in the journal. It is read again, a batch at a time, for the rows that a
page shows, and is locked only while it is read.
"""

from __future__ import annotations

import functools
import os
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from producer.job.folder_labels import FolderLabels
from producer.job.job_index import no_table
from producer.job.row_batch import Row, RowBatch, Rules
from producer.job.sealed_journal import SealedJournal
from producer.job.snapshot import has_journal
from producer.present.formatting import typed
from producer.table.person_labels import labels_now
from shared.errors import SetupError, UsageError
from shared.image_status import Status
from shared.labels.label_line import Content
from shared.messages.files import DIGEST_BYTES

#: In the table of folders, for a folder that has no label's name.
NO_LABEL = -1


class Answers:
    """Columns of all rows that have a label. `position` counts them from 0. `on_progress` gets the
    rows that were read, and their number.

    Raises:
        UsageError: there is no finished job of this table, or no row has a label.
        SetupError: the journal or the log of corrections cannot be read.
    """

    def __init__(
        self, output: Path, on_progress: Callable[[int, int], None] = lambda done, total: None
    ) -> None:
        self._output = output
        self.rows, self.sizes, self.crcs = array("I"), array("Q"), array("I")
        #: The model's. The confidence is 0 where a person has excluded the label.
        self.labels, self.confidences = array("H"), array("f")
        self.excluded = bytearray()  #: 1 in these rows
        self.flags, self.folders = bytearray(), array("I")
        self.folder_names: list[bytes] = []
        if not has_journal(output):
            raise UsageError(no_table(output.absolute()))
        with SealedJournal(output) as sealed:
            if not sealed.finished:
                raise UsageError(
                    f"the job of {output} has not finished; finish it with: "
                    f"{typed(['hangtag', 'classify', str(output)])}"
                )
            self.card, self._rows_of = sealed.card, (sealed.record.id, sealed.first_number)
            self.options = sealed.options
            self._starts, self._batches = array("I"), array("I")  #: first row, and number
            self._read(sealed, on_progress)
        if not self.rows:
            raise UsageError(f"no row of {output} has a label; there is nothing to review")
        folders = FolderLabels(self.card.labels)
        labels = (folders.label_of(name + b"/") for name in self.folder_names)
        #: The label that each folder is named after, or NO_LABEL.
        self.folder_labels = [NO_LABEL if label is None else label for label in labels]

    def __len__(self) -> int:
        return len(self.rows)

    def _read(self, sealed: SealedJournal, on_progress: Callable[[int, int], None]) -> None:
        known: dict[bytes, int] = {}
        total = sealed.count
        rules = Rules(given_labels=labels_now(self._output, self.card.labels))
        self._batches.extend(sealed.finished_numbers())
        for batch in sealed.row_batches(rules):
            self._starts.append(batch.first)
            self._add(batch, known)
            on_progress(batch.first + len(batch) - 1, total)

    def _add(self, batch: RowBatch, known: dict[bytes, int]) -> None:
        excluded = batch.excluded or bytes(len(batch))
        for i, status in enumerate(batch.statuses):
            if status != Status.OK.code:
                continue
            folder = os.path.basename(os.path.dirname(batch.names[i]))
            if folder not in known:
                known[folder] = len(known)
                self.folder_names.append(folder)
            size, digest = batch.contents[i]
            self.rows.append(batch.first + i)
            self.sizes.append(max(0, size))
            self.crcs.append(int.from_bytes(digest, "little"))
            self.labels.append(batch.labels[i])
            self.confidences.append(0 if excluded[i] else batch.confidences[i])
            self.flags.append(batch.flags[i])
            self.excluded.append(excluded[i])
            self.folders.append(known[folder])

    def content(self, position: int) -> Content:
        """The size and checksum of a row's file when it was classified."""
        digest = self.crcs[position].to_bytes(DIGEST_BYTES, "little")
        return Content(self.sizes[position], digest)

    def folder_label(self, position: int) -> int:
        """The label that the row's folder is named after, or NO_LABEL."""
        return self.folder_labels[self.folders[position]]

    def same_content(self, content: Content) -> Iterator[int]:
        """The positions of all rows with this checksum, which may be copies."""
        order, crcs = self._by_checksum, self.crcs
        crc32 = int.from_bytes(content.digest, "little")
        first = bisect_left(order, crc32, key=crcs.__getitem__)
        return iter(order[first : bisect_right(order, crc32, key=crcs.__getitem__)])

    @functools.cached_property
    def _by_checksum(self) -> array[int]:
        return array("I", sorted(range(len(self)), key=self.crcs.__getitem__))

    def read(self, positions: Sequence[int]) -> list[Row]:
        """The rows at these positions, in the same order.

        Raises:
            SetupError: the job is not the one that was read at first.
        """
        rows: dict[int, Row] = {}
        by_batch = sorted(positions, key=self._batch)
        with SealedJournal(self._output, check=False) as sealed:
            if (sealed.record.id, sealed.first_number) != self._rows_of:
                raise SetupError(
                    f"the table {self._output} has other rows now; start the review again"
                )
            for index, group in groupby(by_batch, key=self._batch):
                first = self._starts[index]
                batch = sealed.row_batch(self._batches[index], first)
                rows |= {at: batch.row(self.rows[at] - first) for at in group}
        return [rows[position] for position in positions]

    def _batch(self, position: int) -> int:
        """The batch of a row, counted from 0 in the order of the table."""
        return bisect_right(self._starts, self.rows[position]) - 1
