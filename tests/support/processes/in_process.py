"""A `hangtag` command in the process of the test, with the settings of a fleet.

For tests of what a command prints and writes: a process of its own takes 0.3 s to start. A command
that is watched, interrupted or killed needs one (Fleet.producer).
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from click.testing import CliRunner

from producer.cli.main import hangtag
from tests.support.processes.fleet import Fleet


class Done(NamedTuple):
    """A command that has ended."""

    arguments: tuple[str, ...]
    code: int
    out: str  #: its standard output
    log: str  #: its standard error
    error: BaseException | None  #: that it did not handle

    @property
    def story(self) -> str:
        """The command and its output, for the message of a failed assertion."""
        return f"--- {' '.join(self.arguments)} -> {self.code} {self.error}\n{self.out}{self.log}"


def run(fleet: Fleet, *arguments: str, cwd: Path, stdin: str = "", **settings: str) -> Done:
    """Run a command to its end in the folder `cwd`."""
    return run_with(fleet.environment(settings), *arguments, cwd=cwd, stdin=stdin)


def run_with(environment: dict[str, str], *arguments: str, cwd: Path, stdin: str = "") -> Done:
    """Run a command to its end in the folder `cwd`, with exactly this environment."""
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch.object(sys, "argv", ["hangtag", *arguments]),
        contextlib.chdir(cwd),
    ):
        done = CliRunner().invoke(hangtag, arguments, input=os.fsencode(stdin))
    error = None if isinstance(done.exception, SystemExit) else done.exception
    return Done(arguments, done.exit_code, done.stdout, done.stderr, error)
