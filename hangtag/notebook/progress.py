"""The terminal's progress below the cell of a notebook that runs a job or follows a request."""

from __future__ import annotations

import sys
import time
from typing import Any

from producer.present.progress import NARROW, Quiet, Shown

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
        self._shown: Shown | None = None
        self._handle: Any = None
        self._drawn_s = float("-inf")

    def event(self, text: str) -> None:
        self._print(text)

    def show(self, shown: Shown) -> None:
        self._shown = shown
        if time.monotonic() - self._drawn_s >= EVERY_S:
            self._draw(shown)

    def close(self, leave: bool = False) -> None:
        """Draw the last figures; later ones come below them."""
        if self._shown is not None:
            self._draw(self._shown)
        self._shown = self._handle = None

    def _draw(self, shown: Shown) -> None:
        from IPython.display import display

        self._drawn_s = time.monotonic()
        data = {"text/plain": "\n".join(shown.live(NARROW))}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)
