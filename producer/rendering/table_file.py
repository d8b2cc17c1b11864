"""The file of a table: rendered beside its place, synced, and replaced in one step.

A file with other bytes than its job rendered last is never replaced unless the user asks for it.
The journal has the digest of what was rendered last, and that of the next table before it is
placed, so the job recognizes its file also after a crash between the two.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from producer.journal.job_properties import JobProperties
from producer.output import draft_lock
from producer.output.formatting import typed
from producer.output.output_path import PART_SUFFIX
from producer.rendering.forms import CSV, text_rows
from producer.rows.batch import Results, RowBatch, batches
from producer.rows.columns import Table
from shared import atomic_file, regular_file
from shared.errors import SetupError, UsageError
from shared.failpoints import failpoint

#: The property of a job with the digest of a table that is about to be placed.
PLACING = "placing"
#: The property of a job with the digests of its rows so far, as they were written to a file: those
#: that it placed last, or was about to, and the ones that they replace.
PART = "part"
Count = Callable[[RowBatch], None]
_WRITE_BUFFER_BYTES = 1 << 20


def lines(
    journal: Results, table: Table, form: str = CSV, count: Count | None = None
) -> Iterator[str]:
    """The header, then the lines of one batch at a time. `count` gets each batch."""
    rows = text_rows(form)(table.columns)
    yield rows.header
    for batch in batches(journal, table.rules):
        yield rows.lines(batch)
        if count is not None:
            count(batch)


def write_table(
    journal: Results,
    table: Table,
    output: Path,
    form: str = CSV,
    count: Count | None = None,
    placing: Callable[[str], None] = lambda sha256: None,
) -> str:
    """Write the rows of every finished batch, and replace the output atomically. Returns the
    SHA-256 of the table, in hexadecimal, which `placing` gets before the output is replaced.
    `count` gets each batch.

    Raises:
        UsageError: another process is writing the same output.
        SetupError: the disk is full or the folder read-only; the journal is intact.
    """
    draft = draft_lock.draft_of(output)
    sha256 = hashlib.sha256()
    with atomic_file.writing(output, "fix this and run the same command again"):
        draft_lock.check_unused(output)
        with atomic_file.created(draft, _WRITE_BUFFER_BYTES) as file:
            draft_lock.take(file)  # until the draft is in place
            for text in lines(journal, table, form, count):
                data = text.encode()
                sha256.update(data)
                file.write(data)
            atomic_file.sync(file)
            failpoint("table.written")
            placing(sha256.hexdigest())
            atomic_file.place(draft, output)
            failpoint("table.placed")
    return sha256.hexdigest()


def sha256_of(output: Path) -> str:
    """The SHA-256 of a table's file, in hexadecimal; empty if there is none. Raises SetupError."""
    try:
        with regular_file.open_file(output) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise SetupError(f"{output}: {error.strerror}; check its permissions") from error


def is_foreign(job: JobProperties, output: Path) -> bool:
    """Whether a file is at a job's output that the job has not written. Raises SetupError."""
    found = sha256_of(output)
    return bool(found) and found not in (job.sha256, (job.get(PLACING) or b"").decode())


def check_replaceable(job: JobProperties, output: Path) -> None:
    """Check that a job's table may be written.

    Raises:
        UsageError: another file is in its place.
    """
    if not is_foreign(job, output):
        return
    refusal = f"{output} is not what its job wrote, and is not replaced"
    if job.exit_code is None:
        raise UsageError(
            f"{refusal}; move it away and run the same command again, or start the job over with: "
            "hangtag classify --restart"
        )
    raise UsageError(
        f"{refusal}; see the differences with: "
        f"{typed(['hangtag', 'verify', str(output)])}; then move it away and run the same "
        f"command again, or replace it with: {typed(['hangtag', 'table', str(output)])} --force"
    )


def is_own_part(job: JobProperties, part: Path) -> bool:
    """Whether a file is the rows so far as the job wrote them; false if this cannot be read."""
    with suppress(SetupError):
        own = (job.get(PART) or b"").decode().split()
        return bool(own) and part.is_file() and sha256_of(part) in own
    return False


def check_part(output: Path) -> None:
    """Check that a job that starts replaces no file with its rows so far.

    Raises:
        UsageError: there is one, which no job has written.
    """
    part = f"{output}{PART_SUFFIX}"
    if os.path.lexists(part):
        raise UsageError(
            f"{part} exists, and is not of a job; the rows so far would replace it: move it away, "
            "or choose another -o"
        )
