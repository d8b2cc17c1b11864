"""The base class of all faults: started in the scene, and healed."""

from __future__ import annotations

from contextlib import suppress
from typing import ClassVar

from tests.nemesis.scenario import Scene
from tests.support.processes import procfs
from tests.support.processes.fleet import Worker


class NotNow(Exception):
    """The fault has no target now; the text gives the reason."""


class Fault:
    """One fault, started once. `held`: the victim had a live claim."""

    kind: ClassVar[str]
    #: Whether the server is unreachable or slow for the producer until the fault is healed.
    server_unreachable = False

    def __init__(self, scene: Scene, victim: int) -> None:
        self.scene, self.victim = scene, victim
        self.held = False
        self.detail = ""  #: the victim, for the history

    def start(self) -> None:
        """Inject the fault.

        Raises:
            NotNow: it has no target now.
        """
        raise NotImplementedError

    def heal(self) -> None:
        """Undo the fault, unless the system recovers by itself."""


def resume(worker: Worker) -> None:
    """Resume all of its processes that still exist."""
    for pid in (*worker.children, worker.pid):
        with suppress(ProcessLookupError):
            procfs.go_on(pid)
