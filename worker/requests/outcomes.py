"""Builds the outcome of a request from a handler's reply or its error."""

from __future__ import annotations

import errno
import logging
import socket

import msgspec

from shared import installation
from shared.errors import HangtagError, SetupError, UsageError, is_out_of_memory
from shared.installation import TRAIN_PACKAGES, WORKER_PACKAGES
from shared.messages.requests import Outcome
from worker.handlers.context import Reply

log = logging.getLogger(__name__)
#: Packages that a trainer may lack.
NEEDED = WORKER_PACKAGES | TRAIN_PACKAGES
_FULL = (errno.ENOSPC, errno.EDQUOT)
SUMMARY_CHARS = 200


def succeeded(reply: Reply) -> Outcome:
    """The outcome of completed work."""
    answer = msgspec.Raw(msgspec.json.encode(reply.answer))
    return Outcome(ok=True, answer=answer, files=tuple(reply.files))


def unwritten(error: OSError) -> Outcome:
    """The outcome of work whose result cannot be written to the store."""
    line = f"the store cannot be written ({error}); free disk space, or set HANGTAG_STORE"
    return failed(SetupError(line))


def failed(error: Exception, log_file: str = "") -> Outcome:
    """One line for the command that requested it; unexpected errors are logged with a traceback.

    `log_file` is the file of that log, if known.
    """
    if isinstance(error, HangtagError):
        return Outcome(ok=False, error=str(error), usage=isinstance(error, UsageError))
    package = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
    if package in NEEDED:
        lack = installation.lacks([NEEDED[package]], "all")
        return failed(SetupError(f"the trainer on {socket.gethostname()} cannot do that: {lack}"))
    log.error("a request failed", exc_info=error)
    where = f"see {log_file}" if log_file else f"see the trainer's log on {socket.gethostname()}"
    if isinstance(error, OSError) and error.errno in _FULL:
        return Outcome(ok=False, error=f"a disk is full ({error}); free disk space ({where})")
    if is_out_of_memory(error):
        line = "the trainer ran out of memory; use smaller images, or a machine with more memory"
        return Outcome(ok=False, error=f"{line} ({where})")
    what = " ".join(f"{type(error).__name__}: {error}".split())[:SUMMARY_CHARS]
    return Outcome(ok=False, error=f"the work failed ({what}); {where}")
