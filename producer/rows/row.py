"""One row, of those that a page or a comparison picks out of a batch."""

from __future__ import annotations

from typing import NamedTuple

from producer.rows.batch import RowBatch
from shared.image_status import BY_CODE, FLAGS, Flag, Status
from shared.messages.files import Stamp


class Row(NamedTuple):
    """One row of a table."""

    number: int  #: in the table, the first is 1
    name: bytes
    stamp: Stamp
    digest: bytes  #: CRC-32 of the file's bytes; empty if unknown
    status: Status
    flag: Flag
    labels: tuple[int, ...]  #: indices of the card's labels, the most probable first
    confidences: tuple[float, ...]
    person: str  #: the label that a person gave it; empty: none


def row(batch: RowBatch, i: int, top: int | None = None) -> Row:
    """A row of a batch, with at most `top` labels."""
    some = slice(i * batch.k, i * batch.k + min(batch.k, top or batch.k))
    return Row(
        batch.first + i,
        batch.names[i],
        batch.stamps[i],
        batch.digests[i],
        BY_CODE[batch.statuses[i]],
        FLAGS[batch.flags[i]],
        tuple(batch.all_labels[some]),
        tuple(batch.all_confidences[some]),
        batch.persons.get(i, ""),
    )
