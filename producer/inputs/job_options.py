"""What a job was asked for. These options belong to the job: with others, it is another job."""

from __future__ import annotations

import msgspec

from shared.errors import MISFITS, BadMessage
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import INLINE
from shared.messages.job import RUNTIMES


class JobOptions(msgspec.Struct, frozen=True):
    """Everything that decides what is in the table, and how its files travel, which does not.

    Paths are bytes, as the system has them.
    """

    roots: tuple[bytes, ...]  #: as typed
    cwd: bytes  #: what relative roots are relative to
    output: str  #: absolute; it is the job
    glob: str = ""
    list_file: bytes = b""
    model: str = ""  #: as typed; resolved once, when the job begins
    runtime: str = RUNTIMES[0]
    top_k: int = 1
    probabilities: bool = False
    #: The table is the same in either: so another one may be given when a job is resumed.
    transport: str = INLINE
    #: A larger file is a row `too_large`. Set when the job begins
    #: (producer/dispatch/window.py) and never
    #: typed: the rows do not depend on which server finishes the job.
    max_file_bytes: int = MAX_FILE_BYTES


def encode_options(options: JobOptions) -> bytes:
    """JSON."""
    return msgspec.json.encode(options)


def decode_options(data: bytes) -> JobOptions:
    """The options in `data`. Raises BadMessage."""
    try:
        return msgspec.json.decode(data, type=JobOptions)
    except MISFITS as error:
        raise BadMessage(
            f"the job's options in its journal cannot be read ({error}); "
            "update Hangtag here, or begin anew with --restart"
        ) from error


#: How each option is typed, to name the one that differs.
_TYPED = {
    "roots": "the folders",
    "cwd": "the current folder, which the folders are relative to",
    "glob": "--glob",
    "list_file": "--list",
    "model": "--model",
    "runtime": "--runtime",
    "top_k": "--top-k",
    "probabilities": "--probabilities",
}


def differences(mine: JobOptions, theirs: JobOptions) -> list[str]:
    """The options in which two jobs of one output differ, as they are typed."""
    relative = any(not root.startswith(b"/") for root in (*mine.roots, mine.list_file))
    return [
        typed
        for field, typed in _TYPED.items()
        if getattr(mine, field) != getattr(theirs, field) and (field != "cwd" or relative)
    ]
