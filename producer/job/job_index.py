"""The local index of jobs that were started here. It lists finished jobs, too, which leave no key
in Redis."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from producer.job.journal import journal_path
from producer.present.formatting import near
from shared import atomic_file
from shared.errors import MISFITS
from shared.failpoints import failpoint
from shared.process import machine_id

#: A job whose disk is missing for longer is forgotten.
MISSING_S = 90 * 86_400.0
#: The time of an entry's file is when its journal was last there, to within this duration.
SEEN_S = 86_400.0
REMEDY = "fix this or set XDG_STATE_HOME to another folder, and run the same command again"


class IndexedJob(msgspec.Struct, frozen=True):
    """One job that was started by this user."""

    id: str
    output: str
    created: float  #: seconds since 1970
    model: str = ""  #: the version that it needs; empty if it is finished, or unknown
    machine: str = msgspec.field(default_factory=machine_id)  #: another one may share the home


def index_dir() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(state) / "hangtag/jobs"


def remember(entry: IndexedJob) -> None:
    """Add an entry; it replaces an entry of the same output on the same machine.

    Raises:
        SetupError: the disk is full, or the folder may not be written.
    """
    folder = index_dir()
    draft = folder / f".{entry.id}.{os.getpid()}"
    with atomic_file.writing(folder, REMEDY):
        make_private(folder)
        with atomic_file.created(draft) as file:
            file.write(msgspec.json.encode(entry))
        failpoint("index.drafted")
        for other in entries():
            same = other.output == entry.output and other.machine == entry.machine
            if same and other.id != entry.id:
                (folder / f"{other.id}.json").unlink(missing_ok=True)
                failpoint("index.replaced-forgotten")
        atomic_file.rename_durably(draft, folder / f"{entry.id}.json")
        failpoint("index.remembered")


def set_model(job: str, model: str) -> None:
    """Note which version a job needs, if it is in the index. Raises as `remember`."""
    for entry in entries():
        if entry.id == job and entry.model != model:
            remember(msgspec.structs.replace(entry, model=model))


def make_private(folder: Path) -> None:
    """Create the folder, in a parent that only this user can access."""
    atomic_file.make_folder(folder)
    if folder.parent.stat().st_mode & 0o077:
        folder.parent.chmod(0o700)


def entries() -> list[IndexedJob]:
    """Every job whose journal exists or may exist on a disk that is missing now, oldest first.
    Entries of the others are deleted. Of one output on two machines, it is the job of this one."""
    indexed, now = [], time.time()
    for file in index_dir().glob("*.json"):
        try:
            entry = msgspec.json.decode(file.read_bytes(), type=IndexedJob)
            seen = file.stat().st_mtime
        except (OSError, *MISFITS):
            continue
        with suppress(OSError):  # the next call does it
            if is_reachable(entry):
                if seen < now - SEEN_S:
                    os.utime(file)
            elif seen < now - MISSING_S or (_is_own(entry) and _is_deleted(entry)):
                file.unlink(missing_ok=True)
                continue
        indexed.append(entry)
    own = {entry.output for entry in indexed if _is_own(entry)}
    known = [entry for entry in indexed if _is_own(entry) or entry.output not in own]
    return sorted(known, key=lambda entry: entry.created)


def _is_own(entry: IndexedJob) -> bool:
    return entry.machine == machine_id()


def is_reachable(entry: IndexedJob) -> bool:
    """Whether the job's journal is there; false also while its folder cannot be accessed."""
    return os.path.exists(_journal(entry))


def _is_deleted(entry: IndexedJob) -> bool:
    """Whether the folder of a missing journal is there. One without a file may be the place where
    its disk is mounted, or its server's folder."""
    try:
        os.stat(_journal(entry))
    except FileNotFoundError:
        with suppress(OSError), os.scandir(os.path.dirname(entry.output)) as files:
            return next(files, None) is not None
    except OSError:
        pass
    return False


def _journal(entry: IndexedJob) -> str:
    return f"{entry.output}.hangtag"


def forget(ids: Iterable[str]) -> None:
    """Delete the entries of these jobs.

    Raises:
        SetupError: the folder may not be written.
    """
    with atomic_file.writing(index_dir(), REMEDY):
        for job in ids:
            (index_dir() / f"{job}.json").unlink(missing_ok=True)
            failpoint("index.forgotten")


def output_of(job: str) -> Path | None:
    """The output of a job by its id; None if it is not in the index."""
    return next((Path(e.output) for e in entries() if e.id == job), None)


def ids_of(output: str) -> set[str]:
    """The ids of this output's jobs in the index; of this machine only."""
    return {entry.id for entry in entries() if entry.output == output and _is_own(entry)}


def any_id_of(output: str) -> str:
    """The id of a job of this output, if need be one of another machine; or empty."""
    return next((entry.id for entry in entries() if entry.output == output), "")


def no_table(table: Path) -> str:
    """What there is at this absolute path, which has no journal, and what to name instead."""
    if os.path.isdir(table):
        found = "is a folder"
    elif os.path.exists(table):
        found = f"has no journal ({journal_path(table).name}) beside it"
    else:
        found = "does not exist"
    return f"{near(str(table))} {found}; name a table that classify has written{_example(table)}"


def _example(table: Path) -> str:
    """The newest table with a journal, those in the same folder first."""
    known = [Path(entry.output) for entry in reversed(entries()) if is_reachable(entry)]
    here = sorted(known, key=lambda path: path.parent != table.parent)
    return f", for example {near(str(here[0]))}" if here else ""
