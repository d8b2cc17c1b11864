"""`classify --update`: a finished table gets the rows of the files that there are now.

New files and changed ones are classified; all other rows keep their answers. A next job is formed
beside the table (producer/updating/next_job.py), finished like any other, and replaces it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from time import time_ns as now_ns
from typing import BinaryIO, NamedTuple

import msgspec

from producer.dispatch.attempt import Attempt
from producer.formats.table_file import check_replaceable
from producer.formats.table_formats import check_installed
from producer.inputs.job_options import JobOptions
from producer.jobs.classify import check_sources, classify, opened_job
from producer.jobs.job import Job
from producer.jobs.run import Run, Summary
from producer.journal.job_index import set_model
from producer.journal.snapshot import read_snapshot
from producer.locations import row_files
from producer.locations.compared import PresentFiles
from producer.present.events import Events, RowChanged
from producer.present.formatting import counted
from producer.rendering.display_options import asked_display, make_table
from producer.rows.columns import displayed_label
from producer.rows.row_batch import Row
from producer.stack.stack import BrokerSession
from producer.updating.changes import Changes, Kind, Settling
from producer.updating.next_job import form, is_current
from shared.errors import COMPLETE, Exit
from shared.messages.files import printable
from shared.settings import Settings
from shared.stop import Stop, Waits


class Update(NamedTuple):
    """What is asked for."""

    options: JobOptions
    settings: Settings
    retry_failed: bool
    deadline: float  #: monotonic
    stdin: BinaryIO | None
    events: Events


def update(
    options: JobOptions,
    settings: Settings,
    *,
    stdin: BinaryIO | None = None,
    events: Events | None = None,
    stop: Stop | None = None,
) -> Summary:
    """Bring the table of a job up to date; start or finish the job first, if need be. The arguments
    and what is raised are those of `classify`. The table is the old one or the new one at every
    moment, and the same call continues.

    A file that was written in the last two seconds is waited for; one that is written meanwhile is
    left to the next update.
    """
    events, stop = events or Events(), stop or Stop()
    deadline = time.monotonic() + (options.timeout_s or float("inf"))
    view = read_snapshot(Path(options.output))
    is_finished = view is not None and view.exit_code is not None
    if not is_finished:
        retried = options.retry_failed and view is not None
        first = msgspec.structs.replace(options, retry_failed=retried)
        summary = classify(first, settings, stdin=stdin, events=events, stop=stop)
        if view is None or Exit(summary.exit_code) not in COMPLETE:
            return summary
    retry_failed = options.retry_failed and is_finished
    asked = Update(options, settings, retry_failed, deadline, stdin, events)
    summary, is_earlier = _round(asked, stop)
    is_finished = summary.view.exit_code is not None
    if is_earlier and is_finished and not options.is_piped:  # there may be more by now
        summary, _ = _round(asked, stop)
    return summary


def _round(asked: Update, stop: Stop) -> tuple[Summary, bool]:
    """The summary, and whether the table is up to date only as of an earlier call."""
    started = time.monotonic()
    output, events = Path(asked.options.output), asked.events
    budget, deadline = asked.options.max_failures, asked.deadline
    with (
        closing(Waits(stop)) as waits,
        closing(opened_job(asked.options, asked.stdin, events, waits)) as old,
        row_files.of_table(output, old.options, waits, old.listed) as files,
    ):
        use = BrokerSession(asked.settings, waits)
        attempt = Attempt(asked.settings, events, waits, use, budget, deadline, started)
        run = Run(old, files, attempt)
        check_sources(files.sources, asked.settings)
        check_installed(old.options.form)
        check_replaceable(old.journal, output)
        if is_current(old.journal, output):
            events.notice("continuing an update that was interrupted")
            return _finished(asked, run, None), True
        changes, differs = _compared(asked, run)
        summary = _finished(asked, run, changes) if differs else _unchanged(asked, run)
        return msgspec.structs.replace(summary, young=changes.young), False


def _compared(asked: Update, run: Run) -> tuple[Changes, bool]:
    """Compare the rows with the files, and form the next job, if any differs; whether it does."""
    old, waits = run.job, run.attempt.waits
    present = PresentFiles(run.files, waits.check)
    changes = Changes(present, Settling(waits.sleep, now_ns), asked.retry_failed)
    reported = run.passing("comparing files")
    differs = form(old.journal, old.output, changes, present, reported)
    if not _are_listed(asked, changes) and (line := _counts(changes)):
        asked.events.notice(line)
    for line in _left_out(changes, present):
        asked.events.notice(line)
    return changes, differs


def _are_listed(asked: Update, changes: Changes) -> bool:
    """Whether every change is an event of its own."""
    return asked.events.wants(RowChanged) and len(changes.named) == sum(changes.counts.values())


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


def _unchanged(asked: Update, run: Run) -> Summary:
    """The summary of a table that is up to date. It is rendered again if that is needed."""
    old, waits = run.job, run.attempt.waits
    is_missing = not old.output.exists()
    if is_missing or not old.table.is_rendered:
        old.table.render(passed=lambda rows: waits.check())
    if is_missing:
        asked.events.notice(f"{old.output} was missing; it was written again from its journal")
    if not asked.events.wants(RowChanged):
        asked.events.notice(f"{old.output} is up to date")
    code = old.judge(asked.options.max_failures)
    return run.summary(code, run.result(0, old.journal.attempt.skipped))


def _finished(asked: Update, run: Run, changes: Changes | None) -> Summary:
    """Classify what is to be, and put the next journal and its table in the place of the old ones.
    Raises as `classify`."""
    old, check = run.job, run.attempt.waits.check
    with closing(Job(asked.options, asked_display(asked.options), check, is_next=True)) as new:
        following = Run(new, run.files, run.attempt, replaces=old)
        if new.journal.repeating:
            set_model(old.record.id, old.card.ref)
            summary = following.work()
        else:
            summary = _rendered(asked, following)
        if new.exit_code is not None and changes is not None and asked.events.wants(RowChanged):
            for change in _changed_rows(new, changes.named if _are_listed(asked, changes) else ()):
                asked.events.report(change)
        return summary


def _rendered(asked: Update, run: Run) -> Summary:
    """Write the next table, which has all its rows."""
    journal = run.job.journal
    lacks = journal.totals.failed or journal.unlisted.count
    code = Exit.SOME_FAILED if lacks else Exit.OK
    summary = run.finished(code, 0, journal.skipped, journal.unlisted)
    code = run.job.judge(asked.options.max_failures)
    return msgspec.structs.replace(summary, exit_code=code)


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
