"""Follows a job that another process runs, to its end."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

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
from producer.present.events import Events, Found, Stored
from producer.run.run import Summary
from producer.run.time_limit import in_time
from producer.table.display_options import asked_display, stored_display
from producer.table.output_path import PART_SUFFIX
from producer.table.promise import promised_view
from producer.table.table_file import is_own_part
from shared.errors import Exit, HangtagError, SetupError
from shared.process import child_id
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

    def too_late() -> str:
        return f"the job of {output} runs on after --timeout; the same command follows it"

    limit_s = options.timeout_s or float("inf")
    with closing(Waits(stop)) as waits, in_time(waits, limit_s, too_late):
        view = _follow(output, events, waits)
    return None if view is None else _ended(view)


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
    if view.exit_code is not None:
        return ended_summary(view, Exit(view.exit_code))
    if view.state is JobState.CANCELLED:
        return ended_summary(view, Exit.CANCELLED)
    return ended_summary(view, Exit.BUDGET) if view.over_budget else None


def ended_summary(view: JobView, code: Exit) -> Summary:
    """The summary of the followed attempt, as its own command reports it."""
    part = Path(f"{view.output}{PART_SUFFIX}")
    is_own = code in (Exit.BUDGET, Exit.CANCELLED)
    is_own = is_own and is_own_part(properties(Path(view.output)), part)
    return Summary(promised_view(view), code, str(part) if is_own else "")
