"""`hangtag forget`: removes a job's journal and all other traces, except its table.

The keys in Redis go first and the entry in the index last: a command that was interrupted is
repeated, and until the journal is emptied the job can be resumed.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from redis.exceptions import RedisError

from producer.job import job_index, journal_lock
from producer.job.find_job import known_output
from producer.job.journal import discard_next, journal_path, producer_log
from producer.job.snapshot import JobState, is_running, properties, read_snapshot
from producer.present.formatting import counted, typed
from producer.run.job_queue import delete_job
from producer.sources.lists import recorded_lists
from producer.table.output_path import PART_SUFFIX, draft_of, parts_of
from producer.table.table_file import is_own_part
from shared import atomic_file
from shared.broker.redis_client import connect_briefly
from shared.broker.runtime_paths import broker_url, socket_path
from shared.errors import UsageError
from shared.failpoints import failpoint
from shared.settings import Settings

_REMEDY = "make the folder writable, and run the same command again"


class KnownJob(NamedTuple):
    """A job that can be forgotten."""

    id: str  #: empty if its journal does not name it
    output: Path
    about: str  #: its state, and how much of it is done
    has_keys: bool  #: in Redis, which a finished job has not
    missing: bool = False  #: whether its journal cannot be accessed now


def find(job: str) -> KnownJob:
    """The job of an id, the start of one, or an output.

    Raises:
        UsageError: there is none on this machine, or it is running.
    """
    output = known_output(job)
    if is_running(output):
        raise UsageError(
            f"the job of {output} is running; stop it first with: "
            f"{typed(['hangtag', 'cancel', job])}"
        )
    view = read_snapshot(output)
    if view is None or view.state is JobState.UNREADABLE:
        job_id = job_index.any_id_of(str(output))
        if not os.path.lexists(journal_path(output)):
            return KnownJob(job_id, output, "its journal is missing", True, missing=True)
        return KnownJob(job_id, output, "unreadable", True)
    done = f"{view.done:,} of {counted(view.images, 'image')} done"
    finished = view.state is JobState.FINISHED
    return KnownJob(view.job, output, f"{view.state}, {done}", not finished)


def forget(job: KnownJob, settings: Settings) -> bool:
    """Remove all traces of a job except its table; False if its keys in Redis could not be deleted
    now: they expire by themselves.

    Raises:
        UsageError: it runs again, or its journal was replaced by a symbolic link.
        SetupError: a file cannot be removed.
    """
    lock = None if job.missing else journal_lock.take(journal_path(job.output))
    try:
        ids = job_index.ids_of(str(job.output)) | ({job.id} if job.id else set())
        deleted = [_delete_keys(job_id, settings) for job_id in sorted(ids) if job.has_keys]
        if lock is not None:
            _remove_files(job.output, lock)
    finally:
        if lock is not None:
            os.close(lock)
    job_index.forget(ids)
    return all(deleted)


def _remove_files(output: Path, lock: int) -> None:
    journal = journal_path(output)
    part = Path(f"{output}{PART_SUFFIX}")
    with atomic_file.writing(journal, _REMEDY):
        if is_own_part(properties(output), part):  # before the journal loses its digest
            _remove(part)
        journal_lock.empty(journal, lock)
        drafts = [draft_of(path) for path in (output, part)]
        lists = recorded_lists(output)
        for path in (producer_log(output), *lists, *drafts, *map(parts_of, drafts), journal):
            _remove(path)
        discard_next(output)
        atomic_file.sync_folder(journal.parent)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    failpoint("forget.file-removed")


def _delete_keys(job: str, settings: Settings) -> bool:
    if not settings.redis_url and not socket_path(settings).exists():
        return True  # the keys have ended with their stack
    with suppress(RedisError), connect_briefly(broker_url(settings), "forget") as client:
        delete_job(client, job)
        return True
    return False
