"""`python -m tests.faults.apps.unrepeated_hints ARGUMENT...`: `hangtag` that repeats no lost hint
until a file exists.

So work goes on only if what noticed the fault sends it on, however busy the machine is.
"""

from __future__ import annotations

import os
from pathlib import Path

from producer.cli import main
from producer.run.reconciler import Reconciler

#: Set by tests/support/jobs/scenario.py.
FILE_VARIABLE = "HANGTAG_TEST_REPEATS"
_hint_orphans = Reconciler._hint_orphans


def _hint_orphans_later(self: Reconciler, free: list[int]) -> None:
    if Path(os.environ[FILE_VARIABLE]).exists():
        _hint_orphans(self, free)


if __name__ == "__main__":
    Reconciler._hint_orphans = _hint_orphans_later  # type: ignore[method-assign]
    main.main()
