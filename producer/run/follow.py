"""Follows a job that another process runs, to its end."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

from producer.job.find_job import find_output
from producer.job.job_options import JobOptions, differences
from producer.job.journal import producer_log
from producer.job.snapshot import (
    JobState,
    JobView,
    has_journal,
    is_running,
    job_of_producer,
    properties,
    read_snapshot,
    stored_options,
)
from producer.machine.stack import BrokerSession
from producer.present.events import Events, Found, Stored
from producer.run.attempt import Attempt
from producer.run.classify import classify
from producer.run.job import Job
from producer.run.run import Run, Summary
from producer.sources import row_files
from producer.table.display_options import asked_display, stored_display
from producer.table.output_path import PART_SUFFIX
from producer.table.promise import promised_view
from producer.table.table_file import is_own_part
from shared.errors import Exit, HangtagError, SetupError, StillOpen, Stopped
from shared.process import child_id
from shared.settings import Settings
from shared.stop import Stop, Waits

FOLLOW_S = 0.5


def is_followed(options: JobOptions) -> bool:
    """Whether another process runs the job of these options, which ask for nothing else."""
    output = Path(options.output)
    other = options.restart or options.retry_failed or options.update
    if other or not is_running(output) or job_of_producer(output, child_id(os.getpid())):
        return False
    if not (options.roots or options.list_file):
        return True  # its table was named, and it is starting
    try:
        display = stored_display(properties(output))
        is_same = not differences(options, stored_options(output))
    except HangtagError:  # what opens the journal reports it
        return False
    return is_same and asked_display(options).completed_by(display) == display


def followed(options: JobOptions, events: Events, stop: Stop) -> Summary | None:
    """How the job of these options, which another process runs, ended; None if that process has
    died.

    Raises:
        SetupError: its process could not start it.
        StillOpen: it runs on after --timeout.
        Stopped: it was stopped; the job continues.
    """
    output = Path(options.output)
    with closing(Waits(stop)) as waits:
        try:
            with waits.within(options.timeout_s or float("inf")):
                view = _follow(output, events, waits)
        except Stopped:
            if waits.late:
                raise StillOpen(
                    f"the job of {output} runs on after --timeout; the same command follows it"
                ) from None
            raise
    return None if view is None else _ended(view)


def collect(
    job: str, settings: Settings, events: Events | None = None, stop: Stop | None = None
) -> Summary:
    """Follow a job to its end, or finish it within its stored error budget. Of one that was
    cancelled the rows so far are written.

    Raises:
        UsageError: there is no such job here.
        SetupError: its producer could not start it.
        Stopped: it was stopped; a job that it followed continues.
    """
    events, stop = events or Events(), stop or Stop()
    output = find_output(job)
    summary = followed(JobOptions(output=str(output)), events, stop)
    view = read_snapshot(output)
    if view is not None and view.state is JobState.CANCELLED:
        _write_so_far(output, settings, events, stop)
        return _summary(view, Exit.CANCELLED)
    if summary is None and view is not None and view.over_budget:
        return _summary(view, Exit.BUDGET)
    return summary or classify(stored_options(output), settings, events=events, stop=stop)


def _write_so_far(output: Path, settings: Settings, events: Events, stop: Stop) -> None:
    with (
        closing(Waits(stop)) as waits,
        closing(Job(stored_options(output))) as job,
        row_files.of_table(output, job.options, waits) as files,
    ):
        use = BrokerSession(settings, waits)
        Run(job, files, Attempt(settings, events, waits, use)).write_so_far()


def _follow(output: Path, events: Events, waits: Waits) -> JobView | None:
    """The job after its producer has ended; None if it has no producer."""
    view, was_running = read_snapshot(output), False
    while is_running(output) if view is None else view.state is JobState.RUNNING:
        was_running = True
        if view is None:
            events.notice("the job has not started yet; waiting for its producer")
        else:
            events.report(Found(view.counts.images, view.file_count))
            events.report(Stored(view.done, view.failed))
        waits.sleep(FOLLOW_S)
        view = read_snapshot(output)
    if was_running and view is None and not has_journal(output):
        raise SetupError(
            f"the job of {output} did not start; {producer_log(output)} has the reason; start it "
            "with: hangtag classify"
        )
    return view if was_running else None


def _ended(view: JobView) -> Summary | None:
    """How a job ended that was followed; None if it is to be finished."""
    if view.state is JobState.FINISHED and view.exit_code is not None:
        return _summary(view, Exit(view.exit_code))
    if view.state is JobState.CANCELLED:
        return _summary(view, Exit.CANCELLED)
    return _summary(view, Exit.BUDGET) if view.over_budget else None


def _summary(view: JobView, code: Exit) -> Summary:
    """The summary of the followed attempt, as its own command reports it."""
    part = Path(f"{view.output}{PART_SUFFIX}")
    is_own = code in (Exit.BUDGET, Exit.CANCELLED)
    is_own = is_own and is_own_part(properties(Path(view.output)), part)
    return Summary(promised_view(view), code, str(part) if is_own else "")
