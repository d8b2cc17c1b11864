"""The end of a copy (fork) of a large process without Python's last step, which frees each object.

Each object that a copy frees is a page of memory that the system copies first: 35 ms of a core for
a command, 0.2 s for a process of pytest.
"""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress


class QuickEnd:
    """Made before all modules are imported: what they register for the end happens before."""

    def __init__(self) -> None:
        self.code: object = None
        atexit.register(self._end)

    def _end(self) -> None:
        """Leave an exception, a text and a failed write to Python."""
        if isinstance(self.code, int):
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(self.code)
