"""`hangtag predict`: a view on a job like that of `classify`, in a temporary folder and without a
table. Nothing of it is left at the end.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing

from producer.dispatch.attempt import Attempt, OpenJob
from producer.dispatch.interrupts import interrupts
from producer.dispatch.loop import DispatchLoop
from producer.inputs.job_options import JobOptions
from producer.inputs.walk import check_roots
from producer.jobs.connect import Connector
from producer.jobs.job import Job
from producer.locations import row_files
from producer.locations.row_files import RowFiles
from producer.predict.predictions import Predictions, prediction
from producer.present.formatting import near
from producer.present.meter import DISPLAY_AFTER_S
from producer.present.progress import Quiet, make_progress
from producer.rows.acceptance import doubtless
from producer.rows.row import Row
from producer.rows.row_batch import batches
from producer.stack.stack import BrokerSession
from shared.errors import Exit, SetupError, UsageError
from shared.messages.files import printable
from shared.messages.model_card import Card
from shared.messages.model_name import parse
from shared.settings import Settings

#: More lines than a person reads on a terminal.
MAX_IMAGES = 1_000
#: The output that `hangtag status` lists while it runs.
NAME = "(predict)"
#: Where TMPDIR has bytes that are not UTF-8.
_TMP = "/tmp"


def predict(
    images: Sequence[bytes],
    settings: Settings,
    *,
    model: str = "",
    truth: Sequence[str] = (),
    quiet: bool = False,
) -> Predictions:
    """Classify the images. `truth` is one true label for all images, or one for each.

    Raises:
        UsageError: a path, the model or a truth is invalid; nothing was sent.
        SetupError: there is no such model, or the stack does not start.
        BrokerAway: Redis is unreachable.
        KeyboardInterrupt: Ctrl-C or SIGTERM came.
    """
    with _temporary_folder() as folder:
        options = JobOptions(
            tuple(_current(images)),
            os.getcwdb(),
            os.path.join(folder, NAME),
            model=model,
            probabilities=True,
        )
        _check(options, truth)
        with (
            closing(Job(options, listed=False)) as job,
            closing(make_progress(quiet, after_s=DISPLAY_AFTER_S)) as report,
        ):
            rows = _classified(job, Attempt(settings, report, BrokerSession(settings)), truth)
            card = job.card
    of_each = list(truth) * len(rows) if len(truth) == 1 else truth or [""] * len(rows)
    return Predictions(
        card.ref,
        card.labels,
        [
            prediction(row, card.labels, true, doubtless(card))
            for row, true in zip(rows, of_each, strict=True)
        ],
        tuple(row.name for row in rows),
    )


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    place = tempfile.gettempdir()  # a job's path is stored as text
    return tempfile.TemporaryDirectory(
        prefix="hangtag-", dir=place if place.isprintable() else _TMP
    )


def _classified(job: Job, attempt: Attempt, truth: Sequence[str]) -> list[Row]:
    queue = Connector(attempt, job).queue()
    try:
        _check_truth(truth, job.card)
        _run(DispatchLoop(attempt, OpenJob(job.pinned, job.journal, queue, RowFiles(job.options))))
    finally:
        queue.finish()
    return [batch.row(i) for batch in batches(job.journal) for i in range(len(batch))]


def _run(loop: DispatchLoop) -> None:
    with interrupts(loop.stop):
        code = loop.execute()
    if code is Exit.INTERRUPTED:
        raise KeyboardInterrupt
    if code is Exit.CANCELLED:
        raise SetupError("the job was cancelled; run the same command again")


def _current(images: Sequence[bytes]) -> Iterator[bytes]:
    """The same images; those that `hangtag sort` has moved, where they are now."""
    if all(map(os.path.lexists, images)):
        yield from images
        return
    with row_files.of_all_tables() as where:
        for image in images:
            if os.path.lexists(image) or (moved := where(image)) == image:
                yield image
            else:
                path = os.fsencode(near(os.fsdecode(moved)))
                Quiet().notice(f"{printable(image)} was moved by hangtag sort to {printable(path)}")
                yield path


def _check(options: JobOptions, truth: Sequence[str]) -> None:
    parse(options.model)
    count = len(options.roots)
    if count > MAX_IMAGES:
        raise UsageError(f"{count:,} images are too many; use: hangtag classify")
    check_roots(options)
    folders = [root for root in options.roots if os.path.isdir(root)]
    if folders:
        raise UsageError(f"{printable(folders[0])} is a folder; use: hangtag classify")
    if len(truth) > 1 and len(truth) != count:
        raise UsageError(f"give --truth once, or once for each of the {count} images")


def _check_truth(truth: Sequence[str], card: Card) -> None:
    for label in truth:
        if label not in card.labels:
            known = ", ".join(card.labels)
            raise UsageError(
                f"{label!r:.80} is not a label of {card.ref}; its labels: {known:.500}"
            )
