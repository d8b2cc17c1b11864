"""The terminal's progress below the cell of a notebook that runs a job or follows a request."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from producer.present.progress import NARROW, Figures, Quiet

#: More updates than this cannot be seen, and each is stored by the notebook's server.
EVERY_S = 0.25


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook. A terminal's shell is none."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return hasattr(shell, "kernel")


class NotebookProgress(Quiet):
    """Draws figures in place, and prints notices and events. The last figures stay."""

    redraws = True

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        self._handle: Any = None

    def event(self, text: str) -> None:
        self._print(text)

    def show(self, figures: Callable[[], Figures]) -> None:
        if self._is_due(figures):
            self._draw(figures)

    def close(self) -> None:
        """Draw figures that are displayed once more; later ones come below them."""
        if self._figures is not None and self._handle is not None:
            self._draw(self._figures)
        self._figures = self._handle = None

    def _draw(self, figures: Callable[[], Figures]) -> None:
        from IPython.display import display

        self._drawn_s = time.monotonic()
        data = {"text/plain": "\n".join(figures().live(NARROW))}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)

    def _pause_s(self, lasts_s: float) -> float:
        return EVERY_S
