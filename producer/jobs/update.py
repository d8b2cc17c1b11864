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
from producer.inputs.error_budget import ErrorBudget
from producer.inputs.job_options import JobOptions
from producer.jobs.changed_rows import changed_rows
from producer.jobs.classify import (
    End,
    Summary,
    check_sources,
    classify,
    completed,
    opened_job,
    passing,
    since,
    summary_of,
    work,
)
from producer.jobs.job import Job
from producer.journal.following import Following, discard
from producer.journal.job_index import set_model
from producer.journal.job_properties import AttemptResult
from producer.journal.snapshot import read_snapshot
from producer.locations import row_files
from producer.locations.row_files import RowFiles
from producer.present.events import Events, RowChanged
from producer.present.formatting import counted
from producer.rendering.display_options import DisplayOptions, stored_display
from producer.stack.stack import BrokerSession
from producer.updating.merge import Merge
from producer.updating.next_job import form, is_formed, next_options, replace
from producer.updating.present_files import PresentFiles
from producer.updating.settling import Settling
from shared.errors import COMPLETE, Exit, SetupError
from shared.labels import labels_file
from shared.settings import Settings
from shared.stop import Stop, Waits


class Update(NamedTuple):
    """What is asked for."""

    options: JobOptions
    settings: Settings
    display: DisplayOptions
    budget: ErrorBudget
    retry_failed: bool
    deadline: float  #: monotonic
    stdin: BinaryIO | None
    events: Events


def update(
    options: JobOptions,
    settings: Settings,
    *,
    display: DisplayOptions | None = None,
    budget: ErrorBudget | None = None,
    timeout_s: float | None = None,
    retry_failed: bool = False,
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
    events, budget, stop = events or Events(), budget or ErrorBudget(), stop or Stop()
    deadline = time.monotonic() + timeout_s if timeout_s else float("inf")
    view = read_snapshot(Path(options.output))
    is_finished = view is not None and view.exit_code is not None
    if not is_finished:
        summary = classify(
            options, settings, display=display, budget=budget, timeout_s=timeout_s,
            retry_failed=retry_failed and view is not None, stdin=stdin, events=events, stop=stop,
        )  # fmt: skip
        if view is None or Exit(summary.exit_code) not in COMPLETE:
            return summary
    asked = Update(
        options, settings, display or DisplayOptions(), budget, retry_failed and is_finished,
        deadline, stdin, events,
    )  # fmt: skip
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
    with (
        closing(Waits(stop)) as waits,
        closing(opened_job(asked.options, False, asked.display, asked.stdin, events, waits)) as old,
        row_files.of_table(output, old.options, waits, old.listed) as files,
    ):
        check_sources(files.sources, asked.settings)
        check_installed(old.options.form)
        check_replaceable(old.journal, output)
        merge = None
        if not is_formed(old.journal, output):
            merge, differs = _compared(asked, old, files, waits)
            if not differs:
                return _Done(_with_young(_unchanged(old, asked, waits, started), merge))
        while (done := _finished(asked, old, files, merge, waits, started)) is None:
            pass  # a person has decided meanwhile
        if merge is None:
            return done
        return _Done(_with_young(done.summary, merge))


def _compared(asked: Update, old: Job, files: RowFiles, waits: Waits) -> tuple[Merge, bool]:
    """Compare the rows with the files, and form the next job, if any differs; whether it does."""
    present = PresentFiles(files, waits.check)
    merge = Merge(present, Settling(waits.sleep, now_ns), asked.retry_failed)
    reported = passing(old, "comparing files", asked.events, waits)
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


def _unchanged(old: Job, asked: Update, waits: Waits, started: float) -> Summary:
    """The summary of a table that is up to date. It is rendered again if that is needed."""
    is_missing = not old.output.exists()
    if is_missing or not old.table.is_rendered:
        old.table.render(passed=lambda rows: waits.check())
    if is_missing:
        asked.events.notice(f"{old.output} was missing; it was written again from its journal")
    if not asked.events.wants(RowChanged):
        asked.events.notice(f"{old.output} is up to date")
    attempt = AttemptResult(0, since(started), old.journal.attempt.skipped)
    return summary_of(old, End(old.judge(asked.budget), attempt))


def _finished(
    asked: Update, old: Job, files: RowFiles, merge: Merge | None, waits: Waits, started: float
) -> _Done | None:
    """Classify what is to be, and put the next table in its place; None if the log of corrections
    has grown meanwhile, and the table is to be written again."""
    output, log = old.output, labels_file.of_table(old.output)
    decided_bytes = labels_file.complete_size(log)
    if merge is None:
        asked.events.notice("continuing an update that was interrupted")
    display = _display(asked, old, decided_bytes)
    with closing(Job(next_options(asked.options), False, display, waits.check)) as new:
        end = _classified(asked, old, new, files, waits, started)
        summary = msgspec.structs.replace(summary_of(new, end), output=str(output), part="")
        if new.exit_code is None:
            return _Done(summary)
        if end.code is Exit.SETUP:
            discard(output)
            raise SetupError(no_room(new.options.form, summary.done, output))
        displayed = new.table.display.corrections or 0  # with labels that the version has learned
        if labels_file.complete_size(log) not in (decided_bytes, displayed):
            return None
        is_listed = merge is not None and asked.events.wants(RowChanged)
        changed = changed_rows(new, merge.named) if merge is not None and is_listed else []
        replace(old.journal, new.journal, output, Following(sha256_of(output)))
        for change in changed:
            asked.events.report(change)
        return _Done(summary, is_earlier=merge is None)


def _classified(
    asked: Update, old: Job, new: Job, files: RowFiles, waits: Waits, started: float
) -> End:
    """Fill the rows that wait, and write the next table. Raises as `classify`."""
    events = asked.events
    if not new.journal.repeating:
        return _rendered(asked, new, waits, started)
    set_model(old.record.id, old.card.ref)
    use = BrokerSession(asked.settings, waits)
    attempt = Attempt(asked.settings, events, waits, use, asked.budget, asked.deadline)
    end = work(new, attempt, started, False, None, files, is_update=True)
    if end.code is Exit.BUDGET and new.exit_code is None:
        new.table.remove_part()
        events.notice(f"{old.output} stays as it was")
    return end


def _rendered(asked: Update, new: Job, waits: Waits, started: float) -> End:
    """Write the next table, which has all its rows."""
    journal = new.journal
    lacks = journal.totals.failed or journal.unlisted.count
    code = Exit.SOME_FAILED if lacks else Exit.OK
    code, sha256 = completed(new, code, asked.settings, asked.events, waits)
    attempt = AttemptResult(0, since(started), journal.skipped)
    new.finish(code, sha256, journal.unlisted, attempt)
    return End(new.judge(asked.budget), attempt)


def _display(asked: Update, old: Job, decided_bytes: int) -> DisplayOptions:
    """The display options of the next table. Decisions name rows by their numbers, which change, so
    a table that has some of them gets all."""
    if not stored_display(old.journal).corrections:
        return asked.display
    return msgspec.structs.replace(asked.display, corrections=decided_bytes)
