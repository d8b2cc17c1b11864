"""Crash points: a name for each moment right after something outside this process has changed.

A process that ends there has done this step and not the next one. Work can get lost or duplicated
there, so tests kill, fail or stop processes at each point and compare the tables. The product has
no switch for it: tests start it from a module of their own that calls `watch`.
"""

from __future__ import annotations

from collections.abc import Callable

_on_pass: Callable[[str], None] | None = None


def failpoint(name: str) -> None:
    """Pass the point `name`, of the form `noun.what-happened`. Without `watch` a no-op."""
    if _on_pass is not None:
        _on_pass(name)


def watch(on_pass: Callable[[str], None]) -> None:
    """Call `on_pass` at every point of this process and of the processes that it forks."""
    global _on_pass
    _on_pass = on_pass
