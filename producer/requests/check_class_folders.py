"""Checks what is visible from here before a request is queued behind other people's work."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import msgspec

from producer.pages import worker_process
from producer.present.events import Events, Waiting
from shared.errors import SetupError, UsageError
from shared.installation import absent
from shared.messages.training import FASHION_MNIST
from shared.pipes.class_folders_check import FoldersQuestion, FoldersVerdict, Purpose
from shared.settings import Settings
from shared.stop import Stop, Waits

_MODULE = "worker.check_class_folders"
#: The images that `dataset show --index` counts.
FASHION_IMAGES = 60_000
_REPORT_EVERY_S = 0.1


def check_class_folders(
    place: str,
    purpose: Purpose,
    settings: Settings,
    *,
    index: int = 0,
    corrections: bytes | None = None,
    labelled_only: bool = False,
    events: Events | None = None,
    stop: Stop | None = None,
) -> None:
    """Check a data set of this machine. That of a trainer elsewhere is not visible.
    `corrections` is the input of the request. It is reported while it lasts (Waiting).

    Raises:
        UsageError: there is no image with this index.
        SetupError: the folder has no class folders, or too few images.
        Stopped: the caller has stopped it.
    """
    if place == FASHION_MNIST:
        if not 0 <= index < FASHION_IMAGES:
            most = FASHION_IMAGES - 1
            raise UsageError(f"there is no image {index}; --index goes from 0 to {most}")
    elif not settings.redis_url and not absent(worker_process.PACKAGES):
        question = FoldersQuestion(place, purpose, index, corrections, labelled_only)
        with closing(Waits(stop or Stop())) as waits:
            verdict = _verdict(question, events or Events(), waits)
        if verdict.error:
            raise (UsageError if verdict.usage else SetupError)(verdict.error)


def _verdict(question: FoldersQuestion, events: Events, waits: Waits) -> FoldersVerdict:
    """The verdict of the worker's package; without one, the trainer decides."""
    with worker_process.start(_MODULE) as process:
        try:
            answer = _answer(process, msgspec.json.encode(question), events, waits)
            return msgspec.json.decode(answer, type=FoldersVerdict)
        except (OSError, msgspec.MsgspecError):
            return FoldersVerdict()
        finally:
            events.report(Waiting(""))


def _answer(
    process: subprocess.Popen[bytes], question: bytes, events: Events, waits: Waits
) -> bytes:
    """What the process writes until it ends."""
    with _asked(process, question):
        while True:
            try:
                return process.communicate(timeout=_REPORT_EVERY_S)[0]
            except subprocess.TimeoutExpired:
                waits.check()
                events.report(Waiting("checking the folder"))


@contextmanager
def _asked(process: subprocess.Popen[bytes], question: bytes) -> Iterator[None]:
    """Write the question from a thread: it may be more than a pipe holds, and `communicate` writes
    nothing after it has timed out once."""
    pipe, process.stdin = process.stdin, None
    assert pipe is not None

    def write() -> None:
        with suppress(OSError), pipe:  # the process may have ended
            pipe.write(question)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        process.kill()  # its verdict is read, or the caller has stopped
        writer.join()
