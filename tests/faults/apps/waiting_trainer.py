"""`celery -A tests.faults.apps.waiting_trainer worker`: a trainer that waits where a test wants.

It is the product's. There is no switch for this in it: the functions at which a moment begins are
replaced from here. What tests do with a moment is in tests/support/processes/trainers.py.
TensorFlow is imported
before the fork, so that not every attempt costs the seconds for it; the product never does that.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow  # noqa: F401

from shared.messages.requests import Progress
from shared.registry import version_folder
from shared.registry.alias_log import AliasLog
from tests.support.processes.trainers import MOMENTS_VARIABLE, reach
from worker.handlers import train
from worker.requests.lease import Lease
from worker.trainer import app

_moments = Path(os.environ[MOMENTS_VARIABLE])
_stages: dict[Lease, str] = {}


def _before(owner: Any, name: str, moment: Callable[..., str]) -> None:
    function = getattr(owner, name)

    def replaced(*args: Any, **kwargs: Any) -> Any:
        reach(_moments, moment(*args))
        return function(*args, **kwargs)

    setattr(owner, name, replaced)


def _after(owner: Any, name: str, moment: Callable[..., str]) -> None:
    function = getattr(owner, name)

    def replaced(*args: Any, **kwargs: Any) -> Any:
        answer = function(*args, **kwargs)
        reach(_moments, moment(*args))
        return answer

    setattr(owner, name, replaced)


def _each_stage(owner: Any) -> None:
    report = owner.report

    def replaced(lease: Lease, progress: Progress) -> None:
        report(lease, progress)
        if progress.stage != _stages.get(lease):
            _stages[lease] = progress.stage
            reach(_moments, progress.stage)

    owner.report = replaced


_each_stage(Lease)
_after(train.ProgressReporter, "epoch", lambda _, epoch: f"epoch-{epoch.number}")
_before(version_folder, "_appear", lambda *_: "renaming")
_before(AliasLog, "append", lambda *_: "moving")

__all__ = ["app"]
