"""What every fault is: done to the scene, and taken back."""

from __future__ import annotations

from contextlib import suppress
from typing import ClassVar

from tests.nemesis.scenario import Scene
from tests.support.processes import procfs
from tests.support.processes.fleet import Worker


class NotNow(Exception):
    """There is nothing to do this to; the text says why."""


class Fault:
    """Done once. `held`: the victim had a live claim when it was met."""

    kind: ClassVar[str]
    #: Whether the producer cannot reach the server, or only badly, until it is healed.
    server_away = False

    def __init__(self, scene: Scene, victim: int) -> None:
        self.scene, self.victim = scene, victim
        self.held = False
        self.who = ""  #: for the history

    def begin(self) -> None:
        """Do it. Raises NotNow."""
        raise NotImplementedError

    def heal(self) -> None:
        """Take it back, where that does not happen by itself."""


def wake(worker: Worker) -> None:
    """Whoever is left of it goes on."""
    for pid in (*worker.children, worker.pid):
        with suppress(ProcessLookupError):
            procfs.go_on(pid)
