"""The folder of a request in the store, for the process that holds its lock.

STORE/.requests-2/ID/attempts   `ATTEMPTS REACHED`: the attempts since the work got further than
                                in all before; a process that dies leaves its own
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import msgspec

from shared import atomic_file
from shared.failpoints import failpoint
from shared.ledger.request_store import (
    ANSWERED_FILE,
    ATTEMPTS_FILE,
    OUTCOME_FILE,
    RequestFolder,
    replace,
)
from shared.messages.requests import Outcome, Progress

#: A request fails after this many trainers in a row died without getting further than before.
MAX_ATTEMPTS = 3
#: The stages of all handlers, in an order that fits each of them; others come before.
STAGES = (
    "loading",
    "checking",
    "training",
    "exporting",
    "evaluating",
    "drawing",
    "publishing",
    "promoting",
)
#: More than the steps of a stage, and the epochs of a network.
_STEPS = 10**12


def milestone(progress: Progress) -> int:
    """How far the work of a request has got, as a number that rises with it in every attempt. So a
    long training survives any number of deaths, and work that kills its trainer at one place does
    not. An epoch in progress is reached when the one before it is stored;
    its steps are not, nor are those of a part of a stage. The folds of a head are stored nowhere,
    but there are few of them, and each takes seconds."""
    rank = 1 + STAGES.index(progress.stage) if progress.stage in STAGES else 0
    within = progress.epoch or (0 if progress.part else progress.step)
    return rank * _STEPS + max(0, min(within, _STEPS - 1))


class Workspace(RequestFolder):
    """A request whose lock the caller holds."""

    @property
    def attempts(self) -> int:
        """The attempts that have not ended in time, since the work got further than before."""
        return self._attempts()[0]

    def enter(self) -> bool:
        """Begin an attempt; False if as many as allowed have died.

        Raises:
            OSError: the store cannot be written.
        """
        attempts, reached = self._attempts()
        if attempts >= MAX_ATTEMPTS:
            return False
        self._write_attempts(attempts + 1, reached)
        self.work.mkdir(exist_ok=True)
        failpoint("request.entered")
        return True

    def leave(self) -> None:
        """End an attempt that a trainer gives up: it does not count. What only the work of a
        cancelled request needs is deleted."""
        if not self.is_open:
            self.tidy()
            return
        attempts, reached = self._attempts()
        with suppress(OSError):  # then it counts
            self._write_attempts(max(0, attempts - 1), reached)
        failpoint("request.left")

    def note(self, progress: Progress) -> None:
        """Start the count of attempts again if the work is further than in any attempt before."""
        reached = self._attempts()[1]
        if (now := milestone(progress)) > reached:
            with suppress(OSError):  # of a full disk: the work reports it
                self._write_attempts(1, now)

    def finish(self, outcome: Outcome, files: Mapping[str, bytes]) -> None:
        """Write the outcome. On a full disk it takes the place of the work.

        Raises:
            OSError: the store cannot be written.
        """
        try:
            self._finish(outcome, files)
        except OSError:
            self.tidy()
            self._finish(outcome, files)

    def _finish(self, outcome: Outcome, files: Mapping[str, bytes]) -> None:
        atomic_file.make_folder(self.path / "files")
        for name, data in files.items():
            replace(self.path / "files" / name, data)
        encoded = msgspec.json.encode(msgspec.structs.replace(outcome, files=tuple(files)))
        replace(self.path / OUTCOME_FILE, encoded)
        failpoint("request.answer-placed")

    def answer(self) -> bool:
        """End the request with the outcome that was written; False if it was cancelled before."""
        self.end(ANSWERED_FILE)
        self.tidy()
        return (self.path / ANSWERED_FILE).exists()

    def _attempts(self) -> tuple[int, int]:
        try:
            attempts, reached = (self.path / ATTEMPTS_FILE).read_text().split()
            return int(attempts), int(reached)
        except (OSError, ValueError):  # there was none
            return 0, 0

    def _write_attempts(self, attempts: int, reached: int) -> None:
        path = self.path / ATTEMPTS_FILE
        atomic_file.replace_volatile(path, f"{attempts} {reached}".encode())
