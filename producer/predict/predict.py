"""`hangtag predict`: a view on a job like that of `classify`, in a temporary folder and without a
table. Nothing of it is left at the end.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from producer.job.acceptance import doubtless
from producer.job.job_options import JobOptions
from producer.job.job_properties import Pinned
from producer.job.journal import Journal
from producer.job.row_batch import Row
from producer.machine.stack import BrokerSession
from producer.predict.predictions import Predictions, prediction
from producer.present.events import Events
from producer.present.formatting import near
from producer.run.connect import Attempt, Connector, OpenJob
from producer.run.loop import DispatchLoop
from producer.sources import row_files
from producer.sources.job_sources import JobSources
from producer.sources.remote.address import check_argument
from producer.sources.row_files import RowFiles
from producer.sources.source import LOCAL, is_address, kind_of
from shared.errors import Exit, SetupError, Stopped, UsageError
from shared.messages.batch import MAX_FILE_BYTES, JobRecord
from shared.messages.files import printable
from shared.messages.model_card import Card
from shared.messages.model_name import parse
from shared.settings import Settings
from shared.stop import Stop, Waits

#: More lines than a person reads on a terminal.
MAX_IMAGES = 1_000
#: The output that `hangtag status` lists while it runs.
NAME = "(predict)"


@contextmanager
def in_files(images: Sequence[bytes], stop: Stop | None = None) -> Iterator[list[bytes]]:
    """The same paths; of a member of an archive (`photos.zip/a.jpg`) and of an address that of a
    file with its bytes, which is there until the end of the block.

    Raises:
        UsageError: there is no such image, it cannot be read, or there are too many.
        SetupError: a server cannot be reached, or a package is missing.
        Stopped: the caller has stopped it.
    """
    sources_of = {image: root for image in images if (root := _source_of(image))}
    if not sources_of:
        yield list(images)
        return
    check_count(len(images))
    roots = tuple(dict.fromkeys(sources_of.values()))
    with (
        tempfile.TemporaryDirectory(prefix="hangtag-") as folder,
        closing(Waits(stop or Stop())) as waits,
    ):
        with closing(JobSources(JobOptions(roots, os.getcwdb(), NAME), waits)) as sources:
            sources.check()
            sources.announce(sources_of)
            files = {
                image: _written(sources, image, Path(folder) / f"{number}.image")
                for number, image in enumerate(sources_of)
            }
        yield [files.get(image, image) for image in images]


def _source_of(image: bytes) -> bytes:
    """The archive of a member, or the address itself; empty for a file, or what is nothing."""
    if os.path.lexists(image):
        return b""
    if is_address(image, image):
        check_argument(image)  # before it is printed
        return image if kind_of(image, image) != LOCAL else b""
    above = os.path.dirname(image)
    while above and above != os.path.dirname(above) and not os.path.lexists(above):
        above = os.path.dirname(above)
    return above if kind_of(above, above) != LOCAL else b""


def _written(sources: JobSources, image: bytes, file: Path) -> bytes:
    content, _ = sources.source_of(image).read(image, MAX_FILE_BYTES)
    if not isinstance(content, bytes):
        raise UsageError(f"{printable(image)}: {content.sentence}")
    file.write_bytes(content)
    return os.fsencode(file)


def predict(
    images: Sequence[bytes],
    settings: Settings,
    *,
    model: str = "",
    truth: Sequence[str] = (),
    events: Events | None = None,
    stop: Stop | None = None,
) -> Predictions:
    """Classify the images. `truth` is one true label for all images, or one for each.

    Raises:
        UsageError: a path, the model or a truth is invalid; nothing was sent.
        SetupError: there is no such model, or the stack does not start.
        BrokerAway: Redis is unreachable.
        Stopped: the caller has stopped it, or `hangtag down` the stack.
    """
    events = events or Events()
    roots = tuple(_current_paths(images, events))
    options = JobOptions(roots, os.getcwdb(), NAME, model=model, probabilities=True)
    with closing(JobSources(options)) as sources:
        _check(sources, truth)
    with (
        tempfile.TemporaryDirectory(prefix="hangtag-") as folder,
        closing(Journal(Path(folder) / "journal")) as journal,
        closing(Waits(stop or Stop())) as waits,
    ):
        job = _TemporaryJob(options, journal)
        attempt = Attempt(settings, events, waits, BrokerSession(settings, waits))
        rows = _classified(job, attempt, truth)
    card = job.pinned.card
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


def _classified(job: _TemporaryJob, attempt: Attempt, truth: Sequence[str]) -> list[Row]:
    with closing(Connector(attempt, job).queue()) as queue:
        try:
            _check_truth(truth, job.pinned.card)
            with closing(JobSources(job.options, attempt.waits)) as sources:
                opened = OpenJob(job.pinned, job.journal, queue, RowFiles(sources))
                _run(DispatchLoop(attempt, opened))
        finally:
            attempt.waits.close()
            queue.finish()
    return [batch.row(i) for batch in job.journal.row_batches() for i in range(len(batch))]


def _run(loop: DispatchLoop) -> None:
    code = loop.execute()
    if code is Exit.INTERRUPTED:
        raise Stopped
    if code is Exit.CANCELLED:
        raise SetupError("the job was cancelled; run the same command again")


class _TemporaryJob:
    """A job without a table and in no index, whose journal is removed with its folder."""

    replaced = ()

    def __init__(self, options: JobOptions, journal: Journal) -> None:
        self.options, self.journal = options, journal
        self._pinned: Pinned | None = None

    @property
    def has_started(self) -> bool:
        return self._pinned is not None

    @property
    def pinned(self) -> Pinned:
        assert self._pinned is not None
        return self._pinned

    @property
    def record(self) -> JobRecord:
        return self.pinned.record

    def start(self, pinned: Pinned) -> None:
        """Pin it to a version."""
        self._pinned, self.options = pinned, pinned.options


def _current_paths(images: Sequence[bytes], events: Events) -> Iterator[bytes]:
    """The same images; those that `hangtag sort` has moved, where they are now."""
    if all(map(os.path.lexists, images)):
        yield from images
        return
    where = row_files.of_all_jobs()
    for image in images:
        if os.path.lexists(image) or (moved := where(image)) == image:
            yield image
        else:
            path = os.fsencode(near(os.fsdecode(moved)))
            events.notice(f"{printable(image)} was moved by hangtag sort to {printable(path)}")
            yield path


def _check(sources: JobSources, truth: Sequence[str]) -> None:
    options = sources.options
    parse(options.model)
    count = len(options.roots)
    check_count(count)
    if other := sources.first_without_files:
        check_argument(other)  # before it is printed
        raise UsageError(f"{printable(other)} is no image; use: hangtag classify")
    sources.check()
    folders = [root for root in options.roots if os.path.isdir(root)]
    if folders:
        raise UsageError(f"{printable(folders[0])} is a folder; use: hangtag classify")
    if len(truth) > 1 and len(truth) != count:
        raise UsageError(f"give --truth once, or once for each of the {count} images")


def check_count(images: int) -> None:
    """Raises UsageError if there are too many."""
    if images > MAX_IMAGES:
        raise UsageError(f"{images:,} images are too many; use: hangtag classify")


def _check_truth(truth: Sequence[str], card: Card) -> None:
    for label in truth:
        if label not in card.labels:
            known = ", ".join(card.labels)
            raise UsageError(
                f"{label!r:.80} is not a label of {card.ref}; its labels: {known:.500}"
            )
