"""Checks that a fault test leaves only idle workers behind, which their fleet ends."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from producer.job.snapshot import JobState
from tests.support.jobs.claims import job_keys
from tests.support.processes import procfs

if TYPE_CHECKING:
    from tests.support.processes.fleet import Fleet, Producer

#: A command that a test no longer uses has almost ended.
ENDS_WITHIN_S = 15.0


def check(fleet: Fleet) -> None:
    """Check that no command runs, no process is orphaned, and no finished job has a key.

    Raises AssertionError; processes that are ending get time for it.
    """
    for command in fleet.commands:
        command.wait(ENDS_WITHIN_S)
    procfs.wait_for_end([pid for pid in fleet.pids if pid not in _known(fleet)])
    if fleet.server.running:
        left = {key.split(":")[-2] for key in job_keys(fleet.client)}
        assert not left & _finished(fleet.commands if left else ()), "keys of a finished job"


def _known(fleet: Fleet) -> set[int]:
    """The processes of the test, and all their descendants."""
    found: set[int] = set()
    new = {process.pid for process in fleet.processes if process.running}
    while new:
        found |= new
        new = {child for pid in new for child in procfs.children(pid)} - found
    return found


def _finished(commands: Collection[Producer]) -> set[str]:
    views = [command.view for command in commands if hasattr(command, "output")]
    return {view.job for view in views if view and view.state is JobState.FINISHED}
