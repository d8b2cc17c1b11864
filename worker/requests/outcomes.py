"""What becomes of a handler's reply or error: an outcome, or what the work waits for."""

from __future__ import annotations

import errno
import logging
import socket
from pathlib import Path

import msgspec
import redis
from redis.exceptions import ReadOnlyError

from shared import installation
from shared.broker.access_errors import write_refusal
from shared.errors import (
    BrokerRefuses,
    HangtagError,
    SetupError,
    Unavailable,
    UsageError,
    is_out_of_memory,
)
from shared.installation import (
    DRAW_PACKAGES,
    OF_NETWORKS,
    TENSORFLOW_PACKAGES,
    WORKER_PACKAGES,
)
from shared.messages.requests import CheckDataset, ComputeFeatures, Import, Outcome, Work
from shared.messages.training import Train
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
#: Redis is unreachable, a replica, or refuses access.
TRANSIENT = (redis.ConnectionError, redis.TimeoutError, ReadOnlyError, BrokerRefuses, Unavailable)
#: Much of it would be lost by a failure, so it waits while a disk is full.
LEARNING = (Train, Import, CheckDataset, ComputeFeatures)


class Waits(Exception):
    """The work waits for what this line says, and is tried again."""


def succeeded(reply: Reply) -> Outcome:
    """The outcome of completed work."""
    answer = msgspec.Raw(msgspec.json.encode(reply.answer))
    return Outcome(ok=True, answer=answer, files=tuple(reply.files))


def exhausted(request_id: str) -> Outcome:
    """The outcome of work at which MAX_ATTEMPTS trainers died in a row."""
    line = f"the trainer died {MAX_ATTEMPTS} times at request {request_id} without getting further"
    return failed(SetupError(f"{line}; check the trainer's log, then submit a new request"))


def unwritten(error: OSError) -> str:
    """What work waits for whose outcome cannot be written."""
    return f"the store cannot be written ({error}); free disk space, or set HANGTAG_STORE"


def waits_for(error: Exception, work: Work, store: Path) -> str:
    """What work with this error waits for, in one line; empty: it has failed."""
    if isinstance(error, TRANSIENT) or write_refusal(error):
        return f"Redis cannot be used ({_summary(error)}); the work continues once it can"
    full = _full_disk(error) if isinstance(work, LEARNING) else None
    if full is None:
        return ""
    disk = f"the disk of {store} or of temporary files is full"
    return f"{disk} ({full}); free disk space, and the work continues"


def _full_disk(error: BaseException | None) -> OSError | None:
    """The error of a full disk behind this one, if there is one."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return error
        error = error.__cause__
    return None


def failed(error: Exception, log_file: str | Path = "") -> Outcome:
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
    line = f"the work failed ({_summary(error)}); {where}"
    return Outcome(ok=False, error=line)


def _summary(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:SUMMARY_CHARS]
