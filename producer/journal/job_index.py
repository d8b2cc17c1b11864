"""The local index: which jobs were begun here, and where. Finished jobs leave no key in Redis."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from shared import atomic_file
from shared.errors import MISFITS
from shared.failpoints import failpoint
from shared.messages.job import JOB_ID

REMEDY = "mend that or set XDG_STATE_HOME to another folder, and run the same command again"


class Entry(msgspec.Struct, frozen=True):
    """One job that was begun on this machine by this user."""

    id: str
    output: str
    created: float  #: seconds since 1970


def index_dir() -> Path:
    """The folder of the index."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(state) / "hangtag/jobs"


def remember(entry: Entry) -> None:
    """Add an entry; it takes the place of another of the same output.

    Raises:
        SetupError: the disk is full, or the folder may not be written.
    """
    folder = index_dir()
    draft = folder / f".{entry.id}.{os.getpid()}"
    with atomic_file.writing(folder, REMEDY):
        _make(folder)
        with atomic_file.created(draft) as file:
            file.write(msgspec.json.encode(entry))
        failpoint("index.drafted")
        for other in entries():
            if other.output == entry.output:
                (folder / f"{other.id}.json").unlink(missing_ok=True)
                failpoint("index.replaced-forgotten")
        atomic_file.place(draft, folder / f"{entry.id}.json")
        failpoint("index.remembered")


def _make(folder: Path) -> None:
    """The folder, in one that is this user's only."""
    atomic_file.make_folder(folder)
    if folder.parent.stat().st_mode & 0o077:
        folder.parent.chmod(0o700)


def entries() -> list[Entry]:
    """Every job whose journal is still there, oldest first. The others are forgotten."""
    found = []
    for file in index_dir().glob("*.json"):
        try:
            entry = msgspec.json.decode(file.read_bytes(), type=Entry)
        except (OSError, *MISFITS):
            continue
        if Path(f"{entry.output}.hangtag").exists():
            found.append(entry)
        else:
            with suppress(OSError):  # the next look forgets it
                file.unlink(missing_ok=True)
    return sorted(found, key=lambda entry: entry.created)


def output_of(job: str) -> Path | None:
    """The output of a job that is named by its id; None if this machine does not know it."""
    if not JOB_ID.fullmatch(job):
        return None
    return next((Path(e.output) for e in entries() if e.id == job), None)


def ids_of(output: str) -> set[str]:
    """The jobs of this output that were begun here, and were not forgotten for a later one."""
    return {entry.id for entry in entries() if entry.output == output}
