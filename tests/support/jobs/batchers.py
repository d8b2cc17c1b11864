"""Batchers of jobs whose files are sent as bytes."""

from __future__ import annotations

import msgspec

from producer.job.job_options import JobOptions
from producer.run.batcher import Batcher, EarlierRuns, resumed
from producer.run.file_transport import Transport
from producer.run.job import Job
from producer.sources.job_sources import JobSources
from producer.sources.row_files import RowFiles
from shared.messages.files import INLINE
from shared.settings import Settings


def batcher_of(
    options: JobOptions,
    settings: Settings,
    sources: JobSources | None = None,
    before: EarlierRuns = EarlierRuns(),  # noqa: B008  it is frozen
) -> Batcher:
    """That of a job from its start, or after these runs."""
    files = RowFiles(sources or JobSources(options))
    return Batcher(files, settings, _inline(options, settings), before)


def resumed_batcher(job: Job, settings: Settings, files: RowFiles | None = None) -> Batcher:
    """That of the batches that a job lacks."""
    files = files or RowFiles(JobSources(job.options))
    return resumed(files, settings, _inline(job.options, settings), job.journal)


def _inline(options: JobOptions, settings: Settings) -> Transport:
    return Transport(msgspec.structs.replace(options, transport=INLINE), settings)
