"""The outcome of a request, from a handler's answer or from its error."""

from __future__ import annotations

import logging
import socket

import msgspec

from shared import installation
from shared.errors import HangtagError, SetupError, UsageError
from shared.installation import TRAIN_PACKAGES, WORKER_PACKAGES
from shared.messages.requests import Outcome
from worker.handlers.context import Reply

log = logging.getLogger(__name__)
#: Packages that a trainer may lack.
NEEDED = WORKER_PACKAGES | TRAIN_PACKAGES
#: How TensorFlow says that a GPU is too small.
OUT_OF_MEMORY = ("ResourceExhaustedError", "MemoryError")
SUMMARY_CHARS = 200


def well(answered: Reply) -> Outcome:
    """Of work that was done."""
    answer = msgspec.Raw(msgspec.json.encode(answered.answer))
    return Outcome(ok=True, answer=answer, files=tuple(answered.files))


def unwritten(error: OSError) -> Outcome:
    """Of work that the store cannot keep."""
    cure = f"the store cannot be written ({error}); free the disk, or set HANGTAG_STORE"
    return failed(SetupError(cure))


def failed(error: Exception, log_file: str = "") -> Outcome:
    """One line for the command that requested it; an unexpected error is in the log with its trace.

    `log_file` is the file of that log, where it is known.
    """
    if isinstance(error, HangtagError):
        return Outcome(ok=False, error=str(error), usage=isinstance(error, UsageError))
    package = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
    if package in NEEDED:
        lack = installation.lacks([NEEDED[package]], "all")
        return failed(SetupError(f"the trainer on {socket.gethostname()} cannot do that: {lack}"))
    log.error("a request failed", exc_info=error)
    where = f"see {log_file}" if log_file else f"see the trainer's log on {socket.gethostname()}"
    if type(error).__name__ in OUT_OF_MEMORY:
        line = "the trainer has too little memory; use smaller pictures, or a larger machine"
        return Outcome(ok=False, error=f"{line} ({where})")
    what = " ".join(f"{type(error).__name__}: {error}".split())[:SUMMARY_CHARS]
    return Outcome(ok=False, error=f"the work failed ({what}); {where}")
