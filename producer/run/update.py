"""`classify --update`: a finished table gets the rows of the files that there are now.

New files and changed ones are classified; all other rows keep their answers. A next job is formed
beside the table (producer/run/next_journal.py), finished like any other, and replaces it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from time import time_ns as now_ns

import msgspec

from producer.job.columns import displayed_label
from producer.job.job_index import set_model
from producer.job.journal import Journal
from producer.job.row_batch import Row
from producer.present.events import RowChanged
from producer.present.formatting import counted
from producer.run.changes import Changes, Kind, WritesInProgress
from producer.run.job import Job
from producer.run.next_journal import form_next_journal, interrupted_update
from producer.run.run import Run, Summary
from producer.sources.compared import PresentFiles
from producer.table.display_options import make_table
from producer.table.table_file import check_replaceable
from producer.table.table_formats import check_installed
from shared.messages.files import printable


def bring_up_to_date(run: Run, retry_failed: bool) -> tuple[Summary, bool]:
    """Bring the table of a finished job up to date; return whether it is so only as of an earlier
    call, which this one has continued. The table is the old one or the new one at every moment.

    A file that was written in the last two seconds is waited for; one that is written meanwhile is
    left to the next update. Raises as `classify`.
    """
    old = run.job
    check_installed(old.options.form)
    check_replaceable(old.journal, old.output)
    if (formed := interrupted_update(old.journal, old.output)) is not None:
        run.attempt.events.notice("continuing an update that was interrupted")
        return _finished(run, formed, None), True
    changes, formed = _compared(run, retry_failed)
    summary = _unchanged(run) if formed is None else _finished(run, formed, changes)
    return msgspec.structs.replace(summary, young=changes.young), False


def _compared(run: Run, retry_failed: bool) -> tuple[Changes, Journal | None]:
    """Compare the rows with the files; the next journal, if any differs."""
    old, waits, events = run.job, run.attempt.waits, run.attempt.events
    present = PresentFiles(run.files)
    changes = Changes(present, WritesInProgress(waits.sleep, now_ns), retry_failed)
    formed = form_next_journal(
        old.journal, old.output, changes, present, run.passing("comparing files")
    )
    if not _are_listed(run, changes) and (line := _counts(changes)):
        events.notice(line)
    for line in _left_out(changes, present):
        events.notice(line)
    return changes, formed


def _are_listed(run: Run, changes: Changes) -> bool:
    """Whether every change is an event of its own."""
    wants = run.attempt.events.wants(RowChanged)
    return wants and len(changes.named) == sum(changes.counts.values())


def _counts(changes: Changes) -> str:
    """What an update has found; empty: nothing."""
    counts = ", ".join(f"{count:,} {kind}" for kind, count in changes.counts.items() if count)
    return f"images since the last time: {counts}" if counts else ""


def _left_out(changes: Changes, present: PresentFiles) -> Iterator[str]:
    """Lines on files that have no row, or keep an old one."""
    if changes.young:
        yield (
            f"{counted(changes.young, 'file')} still being written; the next update takes "
            f"{'it' if changes.young == 1 else 'them'}"
        )
    if present.unlisted.count:
        yield (
            f"{counted(present.unlisted.count, 'folder')} could not be listed: "
            f"{present.unlisted.first}; rows of their files stay"
        )
    if changes.unreached:
        images = counted(changes.unreached, "image")
        yield f"{images} could not be reached; the rows stay as they are"
    if changes.namesakes:
        files = counted(changes.namesakes, "new file")
        yield (
            f"{files} without a row: an image of the same name was "
            "sorted elsewhere; rename the new one, or take the other back with hangtag sort --undo"
        )


def _unchanged(run: Run) -> Summary:
    """The summary of a table that is up to date. It is rendered again if that is needed."""
    old, waits, events = run.job, run.attempt.waits, run.attempt.events
    is_missing = not old.output.exists()
    if is_missing or not old.table.is_rendered:
        old.table.render(passed=lambda rows: waits.check())
    if is_missing:
        events.notice(f"{old.output} was missing; it was written again from its journal")
    if not events.wants(RowChanged):
        events.notice(f"{old.output} is up to date")
    return run.summary(old.judge(run.attempt.budget), run.result(0, old.journal.attempt.skipped))


def _finished(run: Run, formed: Journal, changes: Changes | None) -> Summary:
    """Classify what is to be, and put the next journal and its table in the place of the old
    ones."""
    old, attempt = run.job, run.attempt
    with closing(Job(old.options, journal=formed)) as new:
        following = Run(new, run.files, attempt, replaces=old)
        if new.journal.repeating:
            set_model(old.record.id, old.card.ref)
            summary = following.work()
        else:
            summary = _rendered(following)
        if new.exit_code is not None and changes is not None and _are_listed(run, changes):
            for change in _changed_rows(new, changes.named):
                attempt.events.report(change)
        return summary


def _rendered(run: Run) -> Summary:
    """Write the next table, which has all its rows."""
    journal, budget = run.job.journal, run.attempt.budget
    run.job.store_attempt(budget)
    return run.finished(run.job.code_within(budget), 0, journal.skipped, journal.unlisted)


def _changed_rows(job: Job, named: Sequence[tuple[Kind, bytes]]) -> list[RowChanged]:
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
