"""Checks what is visible from here before a request is queued behind other people's work."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from producer.machine.helper import PACKAGES, Helper
from producer.present.events import Events, Waiting
from shared.errors import SetupError, UsageError
from shared.installation import absent
from shared.messages.helpers import FoldersQuestion, FoldersVerdict, Purpose
from shared.messages.training import FASHION_MNIST
from shared.settings import Settings
from shared.stop import Stop, Waits

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
    elif not settings.redis_url and not absent(PACKAGES):
        question = FoldersQuestion(place, purpose, index, corrections, labelled_only)
        with closing(Waits(stop or Stop())) as waits:
            verdict = _verdict(question, events or Events(), waits)
        if verdict.error:
            raise (UsageError if verdict.usage else SetupError)(verdict.error)


def _verdict(question: FoldersQuestion, events: Events, waits: Waits) -> FoldersVerdict:
    """The verdict of the worker's package; without one, the trainer decides."""
    made = Helper(
        "worker.helpers.check_class_folders", FoldersVerdict, "the folder cannot be checked"
    )
    with closing(made) as helper, ThreadPoolExecutor(1) as thread:
        try:
            helper.start()  # here: `kill` must meet it
            reply = thread.submit(helper.ask, question)
            while True:
                try:
                    return reply.result(_REPORT_EVERY_S) or FoldersVerdict()
                except TimeoutError:
                    waits.check()
                    events.report(Waiting("checking the folder"))
        except (OSError, SetupError):
            return FoldersVerdict()
        finally:
            helper.kill()
            events.report(Waiting(""))
