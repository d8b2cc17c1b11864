"""The table of a dataset check: a finished job whose answers were given out of fold.

So it is reported, reviewed and rendered like every table, and its corrections are used like all.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import closing
from pathlib import Path

from producer.formats.table_file import check_part, is_foreign
from producer.inputs.job_options import JobOptions
from producer.jobs.job import Job
from producer.journal.job_properties import Pinned
from producer.journal.records import FrozenBatch, StoredResult
from producer.journal.sealed_journal import SealedJournal
from producer.journal.snapshot import JobState, has_journal, read_snapshot
from producer.output.output_path import check_folder
from producer.present.meter import Stages
from shared.errors import Exit, UsageError
from shared.messages.batch import BatchResult, encode_result, new_id
from shared.messages.checked_dataset import CheckedRows
from shared.messages.files import DIGEST_BYTES
from shared.messages.job_record import JobRecord
from shared.messages.model_card import Card, card_sha256

BATCH_ROWS = 2048
#: The property of a journal that a check has written, so that the next one may replace it.
CHECK = "check"


def check_output(output: Path, force: bool) -> None:
    """Check that the table and its journal may be written.

    Raises:
        UsageError: there is no folder for it, a job is running there, or a file or job is there
            that no check has written (unless `force`).
        SetupError: what is there cannot be read.
    """
    check_folder(output)
    if not has_journal(output):
        check_part(output)
    view = read_snapshot(output)
    if view is not None and view.state is JobState.RUNNING:
        raise UsageError(f"the job of {output} is running; choose another -o")
    if force or (view is None and not os.path.lexists(output)):
        return
    if view is None or view.state is JobState.UNREADABLE or not _is_own(output):
        raise UsageError(
            f"a file or a job that no check has written is at {output}, and is not replaced; "
            "choose another -o, or replace it with --force"
        )


def _is_own(output: Path) -> bool:
    """Whether the job of this output, and the file that is there, are those of a check."""
    with SealedJournal(output, or_running=True, check=False) as journal:
        return journal.get(CHECK) is not None and not is_foreign(journal, output)


def write(
    rows: CheckedRows,
    card: Card,
    typed: bytes,
    output: str,
    progress: Stages,
    *,
    force: bool = False,
) -> None:
    """Write the table and its journal; `typed` is the folder as typed. An earlier table of this
    output is replaced, and its corrections stay beside it.

    Raises:
        UsageError: as `check_output`.
        SetupError: the journal or the table cannot be written.
    """
    check_output(Path(output), force)
    cwd = os.fsencode(os.getcwd())
    # The model differs from that of every job, so that none takes this journal for its own.
    options = JobOptions((typed,), cwd, output, model=card.ref, top_k=rows.k, restart=True)
    record = JobRecord(
        id=new_id(),
        name=card.name,
        version=card.version,
        card_sha256=card_sha256(card),
        runtime=options.runtime,
        top_k=rows.k,
        output=Path(output).name.encode(errors="backslashreplace").decode(),
        host=socket.gethostname(),
        created=time.time(),
    )
    with closing(Job(options)) as job:
        job.start(Pinned(record, card, options), **{CHECK: b"1"})
        for n, start in enumerate(range(0, len(rows.paths), BATCH_ROWS)):
            frozen, result = _batch(n, slice(start, start + BATCH_ROWS), rows, typed)
            job.journal.commit([frozen], [StoredResult.of(n, encode_result(result), result)])
        progress.stage("writing the table", len(rows.paths))
        sha256 = job.table.write_table(passed=progress.passed)
        job.finish(Exit.SOME_FAILED if job.journal.totals.failed else Exit.OK, sha256)


def _batch(n: int, some: slice, rows: CheckedRows, typed: bytes) -> tuple[FrozenBatch, BatchResult]:
    names = [_name(path, rows.root, typed) for path in rows.paths[some]]
    frozen = FrozenBatch(n, 0, names, rows.stamps[some], _part(rows.digests, some, DIGEST_BYTES))
    flags = rows.flags[some]
    result = BatchResult(
        rows.k,
        rows.statuses[some],
        _part(rows.indices, some, 2 * rows.k),
        _part(rows.probabilities, some, 4 * rows.k),
        flags if any(flags) else b"",
    )
    return frozen, result


def _part(column: bytes, some: slice, width: int) -> bytes:
    return column[some.start * width : some.stop * width]


def _name(path: bytes, root: bytes, typed: bytes) -> bytes:
    """A path below the folder as typed; a corrected file from elsewhere keeps its own."""
    if not path.startswith(root + b"/"):
        return path
    return typed.rstrip(b"/") + path[len(root) :]
