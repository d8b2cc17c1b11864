"""Silence for libtiff, which prints a line for every fault of a file, up to one per row."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2
_one_at_a_time = threading.Lock()


@contextmanager
def quiet() -> Iterator[None]:
    """Within, what any code of this process writes to standard error is dropped."""
    with _one_at_a_time:
        try:
            kept = os.dup(_STDERR)
        except OSError:  # there is no standard error to keep quiet
            yield
            return
        try:
            _point_stderr_nowhere()
            yield
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)


def _point_stderr_nowhere() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
