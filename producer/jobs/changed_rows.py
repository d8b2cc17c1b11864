"""What has happened to rows of a table that was brought up to date, as events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from producer.jobs.job import Job
from producer.present.events import RowChanged
from producer.rendering.display_options import make_table
from producer.rows.decide import Decision
from producer.rows.row_batch import RowBatch
from producer.updating.merge import Kind
from shared.messages.files import printable

_UNKNOWN = "unknown"


def changed_rows(job: Job, named: Sequence[tuple[Kind, bytes]]) -> list[RowChanged]:
    """The changes of these rows, in their order; `job` has all of them that are left."""
    wanted = {name: kind for kind, name in named if kind is not Kind.GONE}
    rows = dict(_rows(job, wanted)) if wanted else {}
    gone = (RowChanged(kind, printable(name)) for kind, name in named if kind is Kind.GONE)
    return [*(rows[name] for _, name in named if name in rows), *gone]


def _rows(job: Job, wanted: Mapping[bytes, Kind]) -> Iterator[tuple[bytes, RowChanged]]:
    labels = job.card.labels
    for batch in job.journal.row_batches(make_table(job.pinned, job.table.display).rules):
        if wanted.keys().isdisjoint(batch.names):
            continue
        for i, name in enumerate(batch.names):
            if kind := wanted.get(name):
                yield name, _row(batch, i, kind, labels)


def _row(batch: RowBatch, i: int, kind: Kind, labels: Sequence[str]) -> RowChanged:
    row, decision = batch.row(i, 1), batch.decisions[i]
    path, status = printable(row.name), str(row.status)
    if decision == Decision.FAILED:
        return RowChanged(kind, path, status)
    label = row.person or (_UNKNOWN if decision == Decision.UNKNOWN else labels[row.label])
    return RowChanged(kind, path, status, label, row.confidence)
