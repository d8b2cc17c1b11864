"""`celery -A tests.faults.apps.importing_worker worker`: the parent imports at a child's death.

The first import of the module takes long, and new children import it, too.
"""

from __future__ import annotations

import importlib
from typing import Any

from celery.signals import worker_process_init

from tests.faults.apps import late_pool_check
from worker.app import app
from worker.lifecycle import heartbeat_thread
from worker.lifecycle.heartbeat_thread import running

MODULE = "tests.faults.apps.slow_module"
product: Any = heartbeat_thread
_send_hint = product.send_hint


def _with_import(*hint: Any) -> None:
    importlib.import_module(MODULE)
    _send_hint(*hint)


late_pool_check.put_off()


@worker_process_init.connect
def _import_in_child(**_: Any) -> None:
    if running():  # false for the first children, which start before the heartbeat thread
        importlib.import_module(MODULE)


product.send_hint = _with_import

__all__ = ["app"]
