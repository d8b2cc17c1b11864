"""`celery -A tests.faults.apps.importing_worker worker`: the product's workers, whose parent
imports a
module for the first time when it reports a death. That takes long, and children need it, too."""

from __future__ import annotations

import importlib
from typing import Any

from celery.signals import worker_process_init

from worker import app as _product
from worker.app import app
from worker.lifecycle.heartbeat_thread import running

MODULE = "tests.faults.apps.slow_module"
product: Any = _product
_hint = product._hint


def _with_import(*hint: Any) -> None:
    importlib.import_module(MODULE)
    _hint(*hint)


@worker_process_init.connect
def _need_it(**_: Any) -> None:
    if running():  # not the first children, who are there before the pulse
        importlib.import_module(MODULE)


product._hint = _with_import

__all__ = ["app"]
