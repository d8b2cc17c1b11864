"""Crash points: a name for each moment right after something outside this process has changed.

A process that ends there has done this step and not the next one. That is where work gets lost or
doubled, so tests kill, fail or stop processes at every one of them and compare the tables. There
is no switch for it in the product: tests start it from a module of their own that calls `watch`.
"""

from __future__ import annotations

from collections.abc import Callable

_on_pass: Callable[[str], None] | None = None


def failpoint(name: str) -> None:
    """This process is at the point `name`, `noun.what-happened`. Unwatched, that is a no-op."""
    if _on_pass is not None:
        _on_pass(name)


def watch(on_pass: Callable[[str], None]) -> None:
    """Have every point of this process, and of those that it forks, reported before it goes on."""
    global _on_pass
    _on_pass = on_pass
