"""Builds the outcome of a request from a handler's reply or its error."""

from __future__ import annotations

import errno
import logging
import socket
from pathlib import Path

import msgspec

from shared import installation
from shared.errors import HangtagError, SetupError, UsageError, is_out_of_memory
from shared.installation import (
    DRAW_PACKAGES,
    OF_NETWORKS,
    TENSORFLOW_PACKAGES,
    WORKER_PACKAGES,
)
from shared.messages.requests import Outcome, Progress
from shared.registry.registry import SAME_COMMAND
from worker.requests.context import Reply
from worker.requests.workspace import MAX_ATTEMPTS

log = logging.getLogger(__name__)
#: Packages that a trainer may lack.
NEEDED = WORKER_PACKAGES | DRAW_PACKAGES | TENSORFLOW_PACKAGES
_FULL = (errno.ENOSPC, errno.EDQUOT)
SUMMARY_CHARS = 200
#: A failure is final, so the same command with the same id would only report it again.
NEW_REQUEST = "run the command again, with another --request-id if it has one"
#: Stages.
STORING, ROOM = "waiting for the store", "waiting for room on a disk"


def succeeded(reply: Reply) -> Outcome:
    """The outcome of completed work."""
    answer = msgspec.Raw(msgspec.json.encode(reply.answer))
    return Outcome(ok=True, answer=answer, files=tuple(reply.files))


def exhausted(request_id: str) -> Outcome:
    """The outcome of work at which MAX_ATTEMPTS trainers died in a row."""
    line = f"the trainer died {MAX_ATTEMPTS} times at request {request_id} without getting further"
    return failed(SetupError(f"{line}; check the trainer's log, then submit a new request"))


def unwritten(error: OSError) -> Progress:
    """The progress of work that waits until the store can be written."""
    line = f"the store cannot be written ({error}); free disk space, or set HANGTAG_STORE"
    return Progress(STORING, fault=line)


def full_disk(error: BaseException | None) -> OSError | None:
    """The error of a full disk behind this one, if there is one."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return error
        error = error.__cause__
    return None


def without_room(error: OSError, store: Path) -> Progress:
    """The progress of work that waits until a full disk has room."""
    disk = f"the disk of {store} or of temporary files is full"
    line = f"{disk} ({error}); free disk space, and the work continues"
    return Progress(ROOM, fault=line)


def failed(error: Exception, log_file: str = "") -> Outcome:
    """One line for the command that requested it; unexpected errors are logged with a traceback.

    `log_file` is the file of that log, if known.
    """
    if isinstance(error, HangtagError):
        line = str(error).replace(SAME_COMMAND, NEW_REQUEST)
        return Outcome(ok=False, error=line, usage=isinstance(error, UsageError))
    package = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
    if package in NEEDED:
        extra = OF_NETWORKS if package in TENSORFLOW_PACKAGES else "all"
        lack = installation.lacks([NEEDED[package]], extra)
        return failed(installation.trainer_error(lack))
    log.error("a request failed", exc_info=error)
    where = f"see {log_file}" if log_file else f"see the trainer's log on {socket.gethostname()}"
    if isinstance(error, OSError) and error.errno in _FULL:
        line = f"a disk is full ({error}); free disk space, and {NEW_REQUEST} ({where})"
        return Outcome(ok=False, error=line)
    if is_out_of_memory(error):
        line = "the trainer ran out of memory; use smaller images, or a machine with more memory"
        return Outcome(ok=False, error=f"{line} ({where})")
    what = " ".join(f"{type(error).__name__}: {error}".split())[:SUMMARY_CHARS]
    return Outcome(ok=False, error=f"the work failed ({what}); {where}")
