"""Finds a job by what a user types: its id, the start of its id, or its output."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from producer.job.job_index import entries, ids_of, no_table, output_of
from producer.job.snapshot import has_journal, read_snapshot
from producer.present.formatting import typed
from shared.errors import UsageError, no_such


class NoSuchJob(UsageError):
    """This machine has no such job."""


def find_output(job: str) -> Path:
    """The output path of a job of this machine.

    Raises:
        NoSuchJob: this machine knows no such job, or its journal is missing.
        UsageError: several ids start like this.
        SetupError: the folder of an output cannot be accessed.
    """
    output = known_output(job)
    if not has_journal(output):
        raise NoSuchJob(
            f"the journal of {output} is missing; connect its disk, or remove the job with: "
            f"{typed(['hangtag', 'forget', job])}"
        )
    return output


def known_output(job: str) -> Path:
    """The output path of a job of this machine, whose disk may be missing. Raises as
    `find_output`."""
    path = Path(job).absolute()
    output = output_of(job) or _output_of_started(job)
    if output is None and (ids_of(str(path)) or has_journal(path)):
        output = path
    if output is None:
        started = {entry.id: Path(entry.output) for entry in entries()}
        output = started.get(whole_id(job, started) or "")
    if output is None:
        raise NoSuchJob(no_table(path) if job and os.path.exists(path) else unknown(job))
    return output


def whole_id(job: str, ids: Iterable[str]) -> str | None:
    """The only one of these ids that starts like this, or None.

    Raises:
        UsageError: several do.
    """
    matches = sorted({known for known in ids if job and known.startswith(job)})
    if len(matches) > 1:
        raise UsageError(
            f"several jobs start with {job}: {', '.join(matches)}; type more of the id"
        )
    return matches[0] if matches else None


def unknown(job: str) -> str:
    """The sentence for a job that does not exist, with similar ids and outputs."""
    known = [name for entry in reversed(entries()) for name in (entry.id, _typed(entry.output))]
    return no_such("job", job, known, "hangtag status", listed=False)


def _typed(output: str) -> str:
    """An output as it would be typed in the current folder."""
    path, here = Path(output), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else output


def _output_of_started(job: str) -> Path | None:
    """The output of a job whose index entry was replaced by a restart that did not start."""
    outputs = (Path(entry.output) for entry in entries())
    return next((o for o in outputs if (view := read_snapshot(o)) and view.job == job), None)
