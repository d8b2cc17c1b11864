"""`hangtag collect`: follows a job to its end, or finishes it, from any folder."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from producer.job.find_job import find_output
from producer.job.job_options import JobOptions
from producer.job.snapshot import JobState, read_snapshot, stored_options
from producer.machine.stack import BrokerSession
from producer.present.events import Events
from producer.run.classify import classify
from producer.run.connect import Attempt
from producer.run.follow import ended_summary, followed
from producer.run.job import Job
from producer.run.run import Run, Summary
from producer.sources import row_files
from shared.errors import Exit
from shared.settings import Settings
from shared.stop import Stop, Waits


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
        return ended_summary(view, Exit.CANCELLED)
    if summary is None and view is not None and view.over_budget:
        return ended_summary(view, Exit.BUDGET)
    return summary or classify(stored_options(output), settings, events=events, stop=stop)


def _write_so_far(output: Path, settings: Settings, events: Events, stop: Stop) -> None:
    with (
        closing(Waits(stop)) as waits,
        closing(Job(stored_options(output))) as job,
        row_files.of_table(output, job.options, waits) as files,
    ):
        use = BrokerSession(settings, waits)
        Run(job, files, Attempt(settings, events, waits, use)).write_so_far()
