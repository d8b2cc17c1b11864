"""`celery -A tests.faults.apps.waiting_trainer worker`: a trainer that waits at chosen moments,
with armed points.

The product has no switch for it: this module replaces the functions at which a moment starts.
tests/support/processes/trainers.py has the tests' side. TensorFlow is imported before the fork to
save seconds per attempt; the product never does that.
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
from tests.support.failpoints import armed
from tests.support.processes.trainers import MOMENTS_VARIABLE, reach
from worker.requests.attempt import Attempt
from worker.train import learner
from worker.trainer import app

_moments = Path(os.environ[MOMENTS_VARIABLE])
_stages: dict[Attempt, str] = {}


def _before(owner: Any, name: str, moment: Callable[..., str]) -> None:
    function = getattr(owner, name)

    def replaced(*args: Any, **kwargs: Any) -> Any:
        reach(_moments, moment(*args))
        return function(*args, **kwargs)

    setattr(owner, name, replaced)


def _after(owner: Any, name: str, moment: Callable[..., str]) -> None:
    function = getattr(owner, name)

    def replaced(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        reach(_moments, moment(*args))
        return result

    setattr(owner, name, replaced)


def _each_stage(owner: Any) -> None:
    report = owner.report

    def reported(attempt: Attempt, progress: Progress) -> None:
        report(attempt, progress)
        if progress.stage != _stages.get(attempt):
            _stages[attempt] = progress.stage
            reach(_moments, progress.stage)

    owner.report = reported


_each_stage(Attempt)
_after(learner.Observer, "epoch", lambda _, epoch: f"epoch-{epoch.number}")
_before(version_folder, "_appear", lambda *_: "renaming")
_before(AliasLog, "append", lambda *_: "moving")
armed.watch()

__all__ = ["app"]
