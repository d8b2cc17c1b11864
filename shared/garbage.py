"""Python's searches for garbage, made rare where they find none: imports make tens of thousands of
objects that stay."""

from __future__ import annotations

import atexit
import gc

#: New objects between two searches. Python's 700 cost a short command an eighth of its time, and an
#: import of TensorFlow, which makes 300,000 objects, a twentieth.
SELDOM = 50_000


def search_seldom() -> None:
    """For a process that mostly imports."""
    gc.set_threshold(SELDOM)


def skip_last_search() -> None:
    """At its end Python searches everything once more: a fifth of the time of a short process."""
    atexit.register(gc.freeze)
