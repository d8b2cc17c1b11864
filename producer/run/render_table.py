"""`hangtag table`: renders the table of a job again, or what a job has so far into another file."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click
import msgspec

from producer.job import journal
from producer.job.find_job import find_output
from producer.job.job_properties import Pinned
from producer.job.sealed_journal import SealedJournal
from producer.job.snapshot import (
    JobState,
    check_readable,
    has_journal,
    read_snapshot,
    stored_options,
)
from producer.job.totals import AnswerCounts
from producer.present.formatting import typed
from producer.present.progress import Stages, make_progress
from producer.run.job import Job
from producer.table.answer_counter import AnswerCounter
from producer.table.display_options import (
    DisplayOptions,
    make_table,
    stored_display,
    with_current_corrections,
)
from producer.table.output_path import check_folder, checked_output
from producer.table.promise import without_withdrawn
from producer.table.table_file import TableDraft, render
from producer.table.table_formats import (
    BY_SUFFIX,
    CSV,
    Sink,
    check_columns,
    check_installed,
    check_rows,
    format_of,
    row_of,
)
from shared.errors import UsageError
from shared.labels import labels_file

STDOUT = "-"
#: Endings of what lies beside tables: journals with their logs, corrections.
_OF_JOBS = (
    *(f"{journal.SUFFIX}{end}" for end in ("", "-wal", "-shm")),
    labels_file.TABLE_SUFFIX,
)
_STAGE = "rendering"


class CopyTarget(NamedTuple):
    """Where a table is written, instead of the job's own file."""

    output: str  #: as typed
    form: str  #: its name; empty: as the name of the file ends
    force: bool  #: whether an existing file may be replaced


class RenderedTable(msgspec.Struct, frozen=True):
    """What was written."""

    job: str
    output: str
    model: str
    rows: int
    finished: bool  #: false of the rows so far
    answers: AnswerCounts


def render_again(
    job: str, display: DisplayOptions, force: bool = False, quiet: bool = False
) -> RenderedTable:
    """Write a finished job's table with these display options, and store them in its journal.

    Raises:
        UsageError: there is no such job, it is not finished, the options do not fit it, or a file
            is in the table's place that it has not written (unless `force`).
        SetupError: its journal cannot be read, or the table cannot be written.
    """
    output = find_output(job)
    view = read_snapshot(output)
    if view is not None and view.state is JobState.UNREADABLE:
        check_readable(output)
    if view is None or view.exit_code is None:
        command = typed(["hangtag", "table", str(output)])
        raise UsageError(
            f"the job of {output} is not finished; write its rows so far to another file with: "
            f"{command} -o FILE"
        )
    with (
        closing(Job(stored_options(output), display=display)) as opened,
        closing(Stages(make_progress(quiet))) as progress,
    ):
        progress.stage(_STAGE, opened.journal.totals.done)
        counts, flagged = opened.table.render(force, progress.passed), opened.journal.totals.flagged
        answers = without_withdrawn(counts, sum(flagged.values()), opened.card, opened.options)
        return RenderedTable(
            opened.record.id, str(output), opened.card.ref, answers.rows, True, answers
        )


def render_copy(
    job: str, display: DisplayOptions, target: CopyTarget, quiet: bool = False
) -> RenderedTable:
    """Write the rows that a job has, running or not, to another file. The job's own table and its
    stored options stay as they are.

    Raises:
        UsageError: there is no such job, the options do not fit it, or the file exists (unless
            forced).
        SetupError: the file cannot be written.
    """
    source = find_output(job)
    output, form = _checked(target)
    with (
        SealedJournal(source, or_running=True) as sealed,
        closing(Stages(make_progress(quiet))) as progress,
    ):
        progress.stage(_STAGE, sealed.count)
        sealed.passed = progress.passed
        before = stored_display(sealed)
        shown = with_current_corrections(display, source, before).completed_by(before)
        table = make_table(Pinned(sealed.record, sealed.card, sealed.options), shown)
        check_columns(form, table)
        check_rows(form, sealed.count, source, output)
        counter = AnswerCounter(sealed.card, shown)
        if output is None:
            render(sealed, table, form, Sink(partial(click.echo, nl=False)), counter.add)
        else:
            with closing(TableDraft(table, output, form, shown)) as draft:
                draft.complete(sealed)
                draft.place()
            counter = draft.counter
        answers = without_withdrawn(counter.counted(), counter.flagged, sealed.card, sealed.options)
        return RenderedTable(
            sealed.record.id, str(output or STDOUT), sealed.card.ref, answers.rows,
            sealed.finished, answers,
        )  # fmt: skip


def _checked(target: CopyTarget) -> tuple[Path | None, str]:
    """The path (None: standard output) and the form, which can be written here.

    Raises:
        UsageError: the path cannot be written, or a terminal cannot show the form.
        SetupError: what the form needs is not installed.
    """
    form = target.form or (CSV if target.output == STDOUT else format_of(target.output))
    check_installed(form)
    if target.output != STDOUT:
        return _checked_file(target), form
    if not row_of(form).is_text and sys.stdout.isatty():
        raise UsageError(f"a terminal cannot show {form}; write it to a file with: -o FILE.{form}")
    return None, form


def _checked_file(target: CopyTarget) -> Path:
    output = Path(checked_output(target.output, BY_SUFFIX))
    if has_journal(output):
        raise UsageError(f"{output} is the table of a job; choose another -o")
    if output.name.endswith(_OF_JOBS):
        raise UsageError(f"{output} is named like a file of a job; choose another -o")
    if os.path.lexists(output) and not target.force:
        raise UsageError(f"{output} exists; choose another -o, or replace it with --force")
    check_folder(output)
    return output
