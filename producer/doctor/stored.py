"""Findings on what is stored on this machine: models, jobs, logs, and the room for more."""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from producer.doctor.finding import Finding, Level
from producer.fleet import machine_resources
from producer.journal import job_index
from producer.journal.snapshot import JobState, check_readable, read_snapshot
from producer.models.default_model import choice
from producer.models.load_catalog import load_catalog
from producer.output.output_path import nearest
from producer.present.formatting import counted, size
from shared import file_lock
from shared.broker.runtime_paths import log_path
from shared.errors import Damaged, HangtagError, SetupError
from shared.messages.model_name import parse
from shared.registry.registry import Registry
from shared.settings import Settings

#: Less free space or memory than this is a problem.
DISK_BYTES = 1 << 30
MEMORY_BYTES = 1 << 29
#: The errors of a file system without flock.
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def models(settings: Settings) -> Iterator[Finding]:
    """The store, its damaged versions, and the model that commands use.

    Raises:
        UsageError: the chosen name is invalid.
        SetupError: the chosen model does not exist.
    """
    store = settings.store_path
    faults: list[str] = []
    registry = Registry(store)
    stored = registry.catalog(faults.append)
    count = sum(len(model.versions) for model in stored)
    yield Finding("models", Level.OK, f"{counted(count, 'version')} in {store}")
    for version in (version for model in stored for version in model.versions):
        try:
            registry.check(version.card)
        except SetupError as error:
            faults.append(str(error))
    if store.is_dir() and not _has_locks(store):
        text = f"the file system of {store} has no locks (flock), which requests to a trainer need"
        yield Finding("models", Level.PROBLEM, text, "set HANGTAG_STORE to a folder elsewhere")
    for fault in faults:
        text, _, fix = fault.partition("; ")
        yield Finding("models", Level.PROBLEM, text, fix)
    used = choice(settings)
    load_catalog(settings).version(parse(used.model))
    source = f", by {used.source}" if used.source else ""
    yield Finding("model in use", Level.OK, f"{used.model}{source}")


def _has_locks(folder: Path) -> bool:
    """Whether a file system has locks; True if that cannot be found out without a new file."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        file_lock.try_share(descriptor)
    except OSError as error:
        return error.errno not in _WITHOUT_LOCKS
    finally:
        os.close(descriptor)
    return True


def jobs(settings: Settings) -> Iterator[Finding]:
    """The jobs that were started here, and those whose journals cannot be read."""
    states: Counter[str] = Counter()
    for entry in job_index.entries():
        view = read_snapshot(Path(entry.output))
        missing = view is None and not job_index.is_reachable(entry)
        state = "missing" if missing else "not started" if view is None else str(view.state)
        states[state] += 1
        if state == JobState.UNREADABLE:
            yield _unreadable(entry)
    listed = ", ".join(f"{count:,} {state}" for state, count in sorted(states.items()))
    yield Finding("jobs", Level.OK, f"{listed or 'none'}; index in {job_index.index_dir()}")
    log = log_path(settings)
    if log.exists():
        yield Finding("log", Level.OK, str(log))


def _unreadable(entry: job_index.IndexedJob) -> Finding:
    text = f"the journal of {entry.output} cannot be read"
    fix = f"classify with --restart, or: hangtag forget {entry.id}"
    try:
        with suppress(Damaged):
            check_readable(Path(entry.output))
    except HangtagError as error:
        text, _, fix = str(error).partition("; ")
    return Finding("jobs", Level.PROBLEM, text, fix)


def room(settings: Settings) -> Iterator[Finding]:
    """Free disk space where something is stored, and the memory of this machine."""
    places = (settings.store_path, job_index.index_dir(), Path.cwd())
    seen: set[int] = set()
    for folder in map(nearest, places):
        device = os.stat(folder).st_dev
        if device in seen:
            continue
        seen.add(device)
        free = shutil.disk_usage(folder).free
        text = f"{size(free)} free at {folder}"
        low = free < DISK_BYTES
        yield Finding("disk", Level.PROBLEM if low else Level.OK, text, "make room" * low)
    memory, cores = machine_resources.memory_bytes(), machine_resources.cores()
    low = memory < MEMORY_BYTES
    text = f"{size(memory)}, {counted(cores, 'core')}"
    fix = "use fewer workers: hangtag up --workers 1" if low else ""
    yield Finding("memory", Level.PROBLEM if low else Level.OK, text, fix)
