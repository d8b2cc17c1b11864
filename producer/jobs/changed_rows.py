"""What has happened to rows of a table that was brought up to date, as events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from producer.jobs.job import Job
from producer.present.events import RowChanged
from producer.rendering.display_options import make_table
from producer.rows.columns import displayed_label
from producer.rows.row_batch import Row
from producer.updating.merge import Kind
from shared.messages.files import printable


def changed_rows(job: Job, named: Sequence[tuple[Kind, bytes]]) -> list[RowChanged]:
    """The changes of these rows, in their order; `job` has all of them that are left."""
    wanted = {name: kind for kind, name in named if kind is not Kind.GONE}
    rows = dict(_rows(job, wanted)) if wanted else {}
    gone = (RowChanged(kind, printable(name)) for kind, name in named if kind is Kind.GONE)
    return [*(rows[name] for _, name in named if name in rows), *gone]


def _rows(job: Job, wanted: Mapping[bytes, Kind]) -> Iterator[tuple[bytes, RowChanged]]:
    rules = make_table(job.pinned, job.table.display).rules
    label = displayed_label(job.card.labels, rules)
    for batch in job.journal.row_batches(rules):
        if wanted.keys().isdisjoint(batch.names):
            continue
        codes = label.codes(batch)
        for i, name in enumerate(batch.names):
            if kind := wanted.get(name):
                yield name, _changed(batch.row(i, 1), kind, label.words[codes[i]])


def _changed(row: Row, kind: Kind, label: str) -> RowChanged:
    confidence = None if row.has_failed else row.confidence
    return RowChanged(kind, printable(row.name), str(row.status), label, confidence)
