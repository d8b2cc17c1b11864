"""The file of a table: rendered beside its place, synced, and replaced in one step.

A file with other bytes than its job rendered last is never replaced unless the user asks for it.
The journal has the digest of what was rendered last, and that of the next table before it is
placed, so the job recognizes its file also after a crash between the two.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from producer.formats.table_formats import Sink, loaded
from producer.journal.batch_reader import BatchReader
from producer.journal.job_properties import JobProperties
from producer.output.output_path import PART_SUFFIX
from producer.present.formatting import typed
from producer.rows.columns import Table
from producer.rows.row_batch import RowBatch
from shared import regular_file
from shared.errors import SetupError, UsageError

#: The property of a job with the digest of a table that is about to be placed.
PLACING = "placing"
#: The property of a job with the digests of its rows so far, as they were written to a file: those
#: that it placed last, or was about to, and the ones that they replace.
PART = "part"
Count = Callable[[RowBatch], None]


def render(
    journal: BatchReader,
    table: Table,
    form: str,
    sink: Sink,
    count: Count | None = None,
    folder: Path | None = None,
) -> None:
    """Write the rows of every finished batch, one in memory at a time. `count` gets each batch;
    `folder` is for what a form cannot write at once (None: a temporary one)."""
    with closing(loaded(form)(sink, folder)) as writer:
        writer.begin(table)
        for batch in journal.row_batches(table.rules):
            writer.write(batch)
            if count is not None:
                count(batch)
        writer.end()


def sha256_of(output: Path) -> str:
    """The SHA-256 of a table's file, in hexadecimal; empty if there is none. Raises SetupError."""
    try:
        return regular_file.sha256(output)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise SetupError(f"{output}: {error.strerror}; check its permissions") from error


def is_foreign(job: JobProperties, output: Path) -> bool:
    """Whether a file is at a job's output that the job has not written. Raises SetupError."""
    sha256 = sha256_of(output)
    return bool(sha256) and sha256 not in (job.sha256, job.text(PLACING))


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
        f"{typed(['hangtag', 'verify', str(output)])}, then move it away and run the same "
        f"command again, or replace it with: {typed(['hangtag', 'table', str(output)])} --force"
    )


def is_own_part(job: JobProperties, part: Path) -> bool:
    """Whether a file is the rows so far as the job wrote them; false if this cannot be read."""
    with suppress(SetupError):
        own = job.text(PART).split()
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
