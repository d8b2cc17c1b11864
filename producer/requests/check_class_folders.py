"""Checks what is visible from here before a request is queued behind other people's work."""

from __future__ import annotations

import subprocess
from contextlib import closing

import msgspec

from producer.pages import worker_process
from producer.present.meter import DISPLAY_AFTER_S, Meter
from producer.present.progress import make_progress
from shared.errors import SetupError, UsageError
from shared.installation import absent
from shared.messages.training import FASHION_MNIST
from shared.pipes.class_folders_check import FoldersQuestion, FoldersVerdict, Purpose
from shared.settings import Settings

_MODULE = "worker.check_class_folders"
#: The images that `dataset show --index` counts.
FASHION_IMAGES = 60_000
_DISPLAY_EVERY_S = 0.1


def check_class_folders(
    place: str,
    purpose: Purpose,
    settings: Settings,
    *,
    index: int = 0,
    corrections: bytes | None = None,
    quiet: bool = False,
) -> None:
    """Check a data set of this machine. That of a trainer elsewhere is not visible.
    `corrections` is the input of the request. A check that takes long is displayed, unless `quiet`.

    Raises:
        UsageError: there is no image with this index.
        SetupError: the folder has no class folders, or too few images.
    """
    if place == FASHION_MNIST:
        if not 0 <= index < FASHION_IMAGES:
            most = FASHION_IMAGES - 1
            raise UsageError(f"there is no image {index}; --index goes from 0 to {most}")
    elif not settings.redis_url and not absent(worker_process.PACKAGES):
        verdict = _verdict(FoldersQuestion(place, purpose, index, corrections), quiet)
        if verdict.error:
            raise (UsageError if verdict.usage else SetupError)(verdict.error)


def _verdict(question: FoldersQuestion, quiet: bool) -> FoldersVerdict:
    """The verdict of the worker's package; without one, the trainer decides."""
    process = worker_process.start(_MODULE)
    try:
        answer = _answer(process, msgspec.json.encode(question), quiet)
        return msgspec.json.decode(answer, type=FoldersVerdict)
    except (OSError, msgspec.MsgspecError):
        return FoldersVerdict()
    finally:
        process.kill()
        process.wait()


def _answer(process: subprocess.Popen[bytes], question: bytes, quiet: bool) -> bytes:
    """What the process writes until it ends. Meanwhile the seconds are displayed."""
    meter, asked = Meter(), False
    meter.awaits("checking the folder")
    with closing(make_progress(quiet, after_s=DISPLAY_AFTER_S)) as report:
        while True:
            try:
                return process.communicate(None if asked else question, _DISPLAY_EVERY_S)[0]
            except subprocess.TimeoutExpired:
                asked = True  # the rest of the question is not lost
                report.show(meter)
