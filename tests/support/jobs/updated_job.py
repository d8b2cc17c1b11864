"""A table that is brought up to date without a fleet: real files, journals and tables, made-up
results."""

from __future__ import annotations

from typing import Any
from unittest import mock

import msgspec

from producer.job.job_options import JobOptions
from producer.present.events import Events
from producer.run.classify import classify
from producer.run.job import Job
from producer.run.run import Run, Summary
from shared.errors import Exit
from shared.settings import Settings
from tests.support.jobs.batchers import resumed_batcher
from tests.support.jobs.finished_job import answered, record
from tests.support.jobs.image_blobs import decode_images


def update(options: JobOptions, events: Events | None = None, **given: Any) -> Summary:
    """As `classify --update`, with more options, and with a list from `stdin`."""
    stdin = given.pop("stdin", None)
    with mock.patch.object(Run, "work", _worked):
        asked = msgspec.structs.replace(options, update=True, **given)
        return classify(asked, Settings(), stdin=stdin, events=events)


def _worked(run: Run, *_: object) -> Summary:
    """As `Run.work`, in small batches."""
    job, files = run.job, run.files
    settings, before = Settings(batch_images=3), job.journal.totals.done
    for n in job.journal.open_batches():
        images = [files.unchanged(*file) for file in _files(job, n)]
        record(job, n, answered(images))
    batches = resumed_batcher(job, settings, files)
    while (batch := batches.next()) is not None:
        job.journal.commit([batch.frozen])
        record(job, batch.frozen.n, answered(decode_images(batch.blob)))
        job.table.advance(0)
    failed = job.journal.totals.failed or batches.unlisted.count
    code, classified = Exit.SOME_FAILED if failed else Exit.OK, job.journal.totals.done - before
    return run.finished(code, classified, dict(batches.skipped), batches.unlisted)


def _files(job: Job, n: int) -> list[tuple[bytes, tuple[int, int]]]:
    batch = job.journal.batch(n)
    return list(zip(batch.names, batch.stamps, strict=True))
