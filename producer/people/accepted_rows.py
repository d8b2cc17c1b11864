"""The accepted rows of tables: labels of a model, from which the head learns before a person has
decided. They are no lines of the labels file, since no person gave them."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from producer.job.acceptance import at_precision
from producer.job.row_batch import Rules, marked
from producer.job.sealed_journal import SealedJournal
from producer.people.folder_images import FolderImages
from producer.present.formatting import counted, one_line, percent
from producer.sources import row_files
from producer.table.person_labels import labels_now
from shared.messages.files import Stamp, stamp


class AcceptedRows(NamedTuple):
    """Labels of files, by their paths; each holds as long as the file has this stamp."""

    labels: dict[bytes, tuple[Stamp, str]]
    model: str
    precision: float

    def of(self, images: FolderImages) -> dict[int, str]:
        """The label of each stack of which an image is accepted."""
        found: dict[int, str] = {}
        for image, stack in enumerate(images.stack_of):
            known = self.labels.get(_resolved(images.path(image)))
            if known is not None and _stamp(images.path(image)) == known[0]:
                found.setdefault(stack, known[1])
        return found


def read(tables: Sequence[Path], precision: float) -> list[AcceptedRows]:
    """The rows of each table that are accepted at this precision.

    Raises:
        UsageError: there is no such table, or its version has no threshold for the precision.
        SetupError: it cannot be read.
    """
    return [_of_table(table, precision) for table in tables]


def summary_line(stacks: int, rows: AcceptedRows) -> str:
    """One line on the pictures that have such labels."""
    return (
        f"{counted(stacks, 'picture')} with a label of {one_line(rows.model)}, accepted at "
        f"{percent(rows.precision, 0)}: guesses to begin with, which count as named by no person"
    )


def _of_table(table: Path, precision: float) -> AcceptedRows:
    with SealedJournal(table) as sealed, row_files.of_table(table, sealed.options) as files:
        card = sealed.card
        rule = at_precision(card, precision)
        rules = Rules(rule, labels_now(table, card.labels))

        def rows() -> Iterator[tuple[bytes, tuple[Stamp, str]]]:
            for batch in sealed.row_batches(rules):
                for i in marked(batch.accepted_by(rule)):
                    name = batch.names[i]  # of an image in an archive: it has no path
                    label = card.labels[batch.labels[i]]
                    yield _resolved(files.path(name) or name), (batch.stamps[i], label)

        return AcceptedRows(dict(rows()), card.ref, precision)


def _resolved(path: bytes) -> bytes:
    folder, name = os.path.split(path)
    return os.path.join(_real(folder), name)


@functools.lru_cache(maxsize=1024)
def _real(folder: bytes) -> bytes:
    return os.path.realpath(folder)


def _stamp(path: bytes) -> Stamp | None:
    try:
        return stamp(os.stat(path))
    except OSError:
        return None
