"""A finished job without a fleet: real files, journal and table, made-up results."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from producer.job.job_options import JobOptions, encode_options
from producer.job.job_properties import Pinned
from producer.job.records import StoredResult
from producer.run.batcher import read_batch_again
from producer.run.job import Job
from producer.sources import row_files
from producer.sources.job_sources import as_started
from shared.errors import Exit
from shared.image_status import Status, count_flags
from shared.labels.label_line import LabelLine
from shared.messages.batch import BatchResult, JobRecord, encode_job, encode_result
from shared.messages.model_card import card_sha256, encode_card
from shared.registry import packaged
from shared.settings import Settings
from tests.support.jobs.batchers import resumed_batcher
from tests.support.jobs.image_blobs import decode_images

ID = "testjb01"
#: Makes the result of a batch.
Answer = Callable[[list[bytes | Status]], BatchResult]
#: The content of files that fail; all others have a label.
RUBBISH = b"no picture"
#: The start of the content of files that get a flag.
ODD = b"odd"


def finish(
    options: JobOptions,
    batch_images: int = 3,
    retry_failed: bool = False,
    stop_after: int | None = None,
    answer: Answer | None = None,
    job_id: str = ID,
    restart: bool = False,
    kept: int = 0,
    learned: Sequence[LabelLine] = (),
) -> None:
    """Start a job, resume it, or retry its failed rows, and finish it; or stop after freezing batch
    `stop_after`. `answer` makes the results, by default `answered`. They have `kept` labels for
    each image; 0: as many as the table displays.
    """
    answer = answer or answered
    job = Job(msgspec.structs.replace(options, restart=restart))
    with closing(job), row_files.of_table(job.output, job.options) as files:
        if not job.has_started:
            start(job, options, job_id, kept, restart)
        if retry_failed:
            job.repeat_failed()
        for n in job.journal.open_batches():
            record(job, n, answer(read_batch_again(files, job.journal.batch(n))))
            job.table.advance(0)
        settings = Settings(batch_images=batch_images)
        batches = resumed_batcher(job, settings, files)
        while not batches.exhausted:
            batch = batches.next()
            if batch is None:
                continue  # its images are fetched
            job.journal.commit([batch.frozen])
            if batch.frozen.n == stop_after:
                return
            record(job, batch.frozen.n, answer(decode_images(batch.blob)))
            job.table.advance(0)
        job.table.take_learned(learned)
        job.finish(Exit.OK, job.table.write_table())


def start(
    job: Job, options: JobOptions, job_id: str = ID, kept: int = 0, restart: bool = False
) -> None:
    """Start a job with the packaged version."""
    card = packaged.card()
    record = JobRecord(
        job_id,
        card.name,
        card.version,
        card_sha256(card),
        "litert",
        kept or options.top_k or 1,
        "out.csv",
        "host",
        0.0,
    )
    if restart:
        job.start(Pinned(record, card, options))
        return
    job.journal.put(
        record=encode_job(record),
        card=encode_card(card),
        options=encode_options(as_started(options)),
    )


def record(job: Job, n: int, result: BatchResult) -> None:
    """Store the result of a batch."""
    flagged = count_flags(result.flags)
    stored = StoredResult(n, encode_result(result), result.failed, flagged)
    job.journal.commit(results=[stored])


def answered(images: list[bytes | Status]) -> BatchResult:
    """One label for each image, which depends on its bytes only."""
    statuses = [
        image
        if isinstance(image, Status)
        else Status.UNSUPPORTED
        if image == RUBBISH
        else Status.OK
        for image in images
    ]
    chances = [random.Random(image if isinstance(image, bytes) else 0) for image in images]
    good = [status is Status.OK for status in statuses]
    labels = [c.randrange(10) if ok else 0 for c, ok in zip(chances, good, strict=True)]
    values = [c.uniform(0.1, 1) if ok else 0.0 for c, ok in zip(chances, good, strict=True)]
    return BatchResult(
        1,
        bytes(status.code for status in statuses),
        struct.pack(f"<{len(labels)}H", *labels),
        struct.pack(f"<{len(values)}f", *values),
        bytes(isinstance(image, bytes) and image.startswith(ODD) for image in images),
    )


def options_of(folder: Path, *roots: bytes, **more: object) -> JobOptions:
    """A job of folders below `folder`, whose output is `out.csv` there."""
    return JobOptions(roots, os.fsencode(folder), str(folder / "out.csv"), **more)  # type: ignore[arg-type]
