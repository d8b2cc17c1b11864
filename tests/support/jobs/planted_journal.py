"""A finished journal of made-up answers, written directly, for what is computed from journals."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from producer.job.job_options import JobOptions, encode_options
from producer.job.journal import Journal, journal_path
from producer.job.records import FrozenBatch, StoredResult
from producer.sources.reader import FileReader
from shared.errors import Exit
from shared.image_status import Status
from shared.messages.batch import BatchResult, JobRecord, encode_job, encode_result, new_id
from shared.messages.files import NO_STAMP, digest
from shared.messages.model_card import Card, card_sha256, encode_card
from shared.registry import packaged

#: A path, a label (None: the file failed), and its confidence.
Answer = tuple[bytes, int | None, float]


def plant(
    output: Path,
    answers: Sequence[Answer],
    *,
    card: Card | None = None,
    batch_images: int = 3,
) -> Path:
    """Write the journal of a job whose rows have these answers; return its table, which is not
    written. Paths are relative to its folder; the digests are those of the files, where they
    exist."""
    cwd, card = output.parent, card or packaged.card()
    record = JobRecord(
        new_id(), card.name, card.version, card_sha256(card), "litert", 1, output.name, "host", 0.0
    )
    options = JobOptions((b"in",), os.fsencode(cwd), str(output))
    with closing(Journal(journal_path(output))) as journal:
        journal.put(
            record=encode_job(record), card=encode_card(card), options=encode_options(options)
        )
        for n, at in enumerate(range(0, len(answers), batch_images)):
            _commit(journal, n, answers[at : at + batch_images], cwd)
        journal.put(exit=b"%d" % Exit.OK)
    return output


def _commit(journal: Journal, n: int, answers: Sequence[Answer], cwd: Path) -> None:
    files = FileReader(os.fsencode(cwd))
    found = [files.read(name) for name, *_ in answers]
    names, stamps = [name for name, *_ in answers], [stamp or NO_STAMP for _, stamp in found]
    digests = b"".join(digest(content) for content, _ in found)
    statuses = bytes((Status.OK if label is not None else Status.UNREADABLE).code
                     for _, label, _ in answers)  # fmt: skip
    result = BatchResult(
        1,
        statuses,
        struct.pack(f"<{len(answers)}H", *(label or 0 for _, label, _ in answers)),
        struct.pack(f"<{len(answers)}f", *(p if i is not None else 0 for _, i, p in answers)),
    )
    journal.commit([FrozenBatch(n, 0, names, stamps, digests)])
    journal.commit(results=[StoredResult(n, encode_result(result), result.failed)])
