"""`classify --update`: a finished table gets the rows of the files that there are now.

New files and changed ones are classified; all other rows keep their answers. A next job is formed
beside the table (producer/updating/next_job.py), finished like any other, and replaces it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import time_ns as now_ns
from typing import BinaryIO, NamedTuple

import msgspec

from producer.dispatch.attempt import Attempt
from producer.formats.table_file import check_replaceable, sha256_of
from producer.formats.table_formats import check_installed, no_room
from producer.inputs.job_options import JobOptions
from producer.jobs.changed_rows import changed_rows
from producer.jobs.classify import check_sources, classify, opened_job
from producer.jobs.job import Job
from producer.jobs.run import Run, Summary
from producer.journal.following import Following, discard
from producer.journal.job_index import set_model
from producer.journal.snapshot import read_snapshot
from producer.locations import row_files
from producer.locations.present_files import PresentFiles
from producer.present.events import Events, RowChanged
from producer.present.formatting import counted
from producer.rendering.display_options import DisplayOptions, asked_display, stored_display
from producer.stack.stack import BrokerSession
from producer.updating.merge import Merge
from producer.updating.next_job import form, is_formed, next_options, replace
from producer.updating.settling import Settling
from shared.errors import COMPLETE, Exit, SetupError
from shared.labels import labels_file
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
    done = _round(asked, stop)
    if done.is_earlier and not options.is_piped:  # there may be more by now
        done = _round(asked, stop)
    return done.summary


class _Done(NamedTuple):
    summary: Summary
    is_earlier: bool = False  #: whether the table is up to date as of an earlier call


def _round(asked: Update, stop: Stop) -> _Done:
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
        merge = None
        if not is_formed(old.journal, output):
            merge, differs = _compared(asked, run)
            if not differs:
                return _Done(_with_young(_unchanged(asked, run), merge))
        while (done := _finished(asked, run, merge)) is None:
            pass  # a person has decided meanwhile
        if merge is None:
            return done
        return _Done(_with_young(done.summary, merge))


def _compared(asked: Update, run: Run) -> tuple[Merge, bool]:
    """Compare the rows with the files, and form the next job, if any differs; whether it does."""
    old, waits = run.job, run.attempt.waits
    present = PresentFiles(run.files, waits.check)
    merge = Merge(present, Settling(waits.sleep, now_ns), asked.retry_failed)
    reported = run.passing("comparing files")
    differs = form(old.journal, old.output, merge, present, reported)
    is_listed = asked.events.wants(RowChanged) and len(merge.named) == sum(merge.counts.values())
    if not is_listed and (line := _counts(merge)):
        asked.events.notice(line)
    for line in _left_out(merge, present):
        asked.events.notice(line)
    return merge, differs


def _with_young(summary: Summary, merge: Merge) -> Summary:
    return msgspec.structs.replace(summary, young=merge.young)


def _counts(merge: Merge) -> str:
    """What an update has found; empty: nothing."""
    counts = ", ".join(f"{count:,} {kind}" for kind, count in merge.counts.items() if count)
    return f"images since the last time: {counts}" if counts else ""


def _left_out(merge: Merge, present: PresentFiles) -> Iterator[str]:
    """Lines on files that have no row, or keep an old one."""
    if merge.young:
        yield (
            f"{counted(merge.young, 'file')} still being written; the next update takes "
            f"{'it' if merge.young == 1 else 'them'}"
        )
    if present.unlisted.count:
        yield (
            f"{counted(present.unlisted.count, 'folder')} could not be listed: "
            f"{present.unlisted.first}; rows of their files stay"
        )
    if merge.unreached:
        yield f"{counted(merge.unreached, 'image')} could not be reached; the rows stay as they are"
    if merge.namesakes:
        yield (
            f"{counted(merge.namesakes, 'new file')} without a row: an image of the same name was "
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


def _finished(asked: Update, run: Run, merge: Merge | None) -> _Done | None:
    """Classify what is to be, and put the next table in its place; None if the log of corrections
    has grown meanwhile, and the table is to be written again."""
    old, files, check = run.job, run.files, run.attempt.waits.check
    output, log = old.output, labels_file.of_table(old.output)
    decided_bytes = labels_file.complete_size(log)
    if merge is None:
        asked.events.notice("continuing an update that was interrupted")
    display = _display(asked, old, decided_bytes)
    with closing(Job(next_options(asked.options), display, check)) as new:
        summary = _classified(asked, old, Run(new, files, run.attempt, is_update=True))
        if new.exit_code is None:
            return _Done(summary)
        if summary.exit_code is Exit.SETUP:
            discard(output)
            raise SetupError(no_room(new.options.form, summary.view.done, output))
        displayed = new.table.display.corrections or 0  # with labels that the version has learned
        if labels_file.complete_size(log) not in (decided_bytes, displayed):
            return None
        is_listed = merge is not None and asked.events.wants(RowChanged)
        changed = changed_rows(new, merge.named) if merge is not None and is_listed else []
        replace(old.journal, new.journal, output, Following(sha256_of(output)))
        for change in changed:
            asked.events.report(change)
        return _Done(summary, is_earlier=merge is None)


def _classified(asked: Update, old: Job, run: Run) -> Summary:
    """Fill the rows that wait, and write the next table; the summary is of the table that it is to
    replace. Raises as `classify`."""
    new = run.job
    if not new.journal.repeating:
        summary = _rendered(asked, run)
    else:
        set_model(old.record.id, old.card.ref)
        summary = run.work()
        if summary.exit_code is Exit.BUDGET and new.exit_code is None:
            new.table.remove_part()
            asked.events.notice(f"{old.output} stays as it was")
    view = msgspec.structs.replace(summary.view, output=str(old.output))
    return msgspec.structs.replace(summary, view=view, part="")


def _rendered(asked: Update, run: Run) -> Summary:
    """Write the next table, which has all its rows."""
    new, journal = run.job, run.job.journal
    lacks = journal.totals.failed or journal.unlisted.count
    code, sha256 = run.completed(Exit.SOME_FAILED if lacks else Exit.OK)
    result = run.result(0, journal.skipped)
    new.finish(code, sha256, journal.unlisted, result)
    return run.summary(new.judge(asked.options.max_failures), result)


def _display(asked: Update, old: Job, decided_bytes: int) -> DisplayOptions:
    """The display options of the next table. Decisions name rows by their numbers, which change, so
    a table that has some of them gets all."""
    has_some = stored_display(old.journal).corrections
    return asked_display(asked.options, decided_bytes if has_some else None)
