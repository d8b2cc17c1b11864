"""`celery -A tests.faults.apps.slow_steps_trainer worker`: slow steps of a training, recorded.

An epoch of a few images lasts as long as one of a large network, until the test ends that.
"""

from __future__ import annotations

import os
import time
import zlib
from pathlib import Path
from typing import Any

from tests.faults.apps.waiting_trainer import app
from tests.support.processes.trainers import MOMENTS_VARIABLE
from worker.training import epoch, fit

STEP_S = 2.5
#: A file of the test's folder; once it is there, steps are fast.
FAST = "fast"
_modules: tuple[Any, Any] = epoch, fit
_check, _train = _modules[0]._check, _modules[1].train_epoch


def _slow(loss: float, epoch: int) -> None:
    if not (Path(os.environ[MOMENTS_VARIABLE]) / FAST).exists():
        time.sleep(STEP_S)
    _check(loss, epoch)


def _recorded(step: Any, *args: Any, **kwargs: Any) -> Any:
    def recorded(images: Any, labels: Any, rate: Any) -> Any:
        with (Path(os.environ[MOMENTS_VARIABLE]) / "steps").open("a") as file:
            file.write(f"{os.getpid()} {zlib.crc32(images.tobytes())}\n")
        return step(images, labels, rate)

    return _train(recorded, *args, **kwargs)


_modules[0]._check = _slow
_modules[1].train_epoch = _recorded

__all__ = ["app"]
