"""Measures the time of each step, without its nested steps."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from typing import Any


class Stopwatch:
    """Steps may nest; time counts only for the innermost one."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.spent: dict[str, float] = defaultdict(float)  #: step -> seconds
        self._open: list[str] = []
        self._since = 0.0
        self._replaced: list[tuple[Any, str, Any]] = []

    def step(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, timed as a step."""

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._turn()
            self._open.append(name)
            try:
                return function(*args, **kwargs)
            finally:
                self._turn()
                self._open.pop()

        return timed

    def watch(self, owner: Any, attribute: str, name: str) -> None:
        """Time a function where it is looked up: an attribute of a module or class."""
        self.replace(owner, attribute, self.step(name, getattr(owner, attribute)))

    def replace(self, owner: Any, attribute: str, value: Any) -> None:
        """Replace an attribute until `restore`."""
        self._replaced.append((owner, attribute, getattr(owner, attribute)))
        setattr(owner, attribute, value)

    def restore(self) -> None:
        """Restore all replaced attributes."""
        while self._replaced:
            owner, attribute, value = self._replaced.pop()
            setattr(owner, attribute, value)

    def _turn(self) -> None:
        now = self._clock()
        if self._open:
            self.spent[self._open[-1]] += now - self._since
        self._since = now
