"""The Python environment that a stack's processes run in: one of those that commands came from."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import msgspec

from shared import installation


class Environment(msgspec.Struct, frozen=True):
    """Paths are bytes, since a file system need not have UTF-8."""

    python: bytes  #: path of its interpreter
    python_path: bytes  #: the PYTHONPATH with which it finds Hangtag in any folder
    packages: frozenset[str]  #: import names of those that determine what a stack can do

    @property
    def executable(self) -> str:
        """The path of its interpreter."""
        return os.fsdecode(self.python)

    def variables(self, others: Mapping[str, str]) -> dict[str, str]:
        """The environment variables of its processes."""
        return {**others, "PYTHONPATH": os.fsdecode(self.python_path)}


def own() -> Environment:
    """The environment of this process."""
    python, path = os.fsencode(sys.executable), os.fsencode(installation.python_path())
    return Environment(python, path, installation.present())


def chosen(recorded: Environment | None, running: bool) -> Environment:
    """The environment that a stack is to run in after a command of this process.

    `recorded` is that of the last start; `running`: the stack runs in it. Of two environments the
    one with all packages of the other is chosen. If neither has them, a running one stays.
    """
    mine = own()
    if recorded is None or not os.access(recorded.python, os.X_OK):
        return mine
    if recorded.python == mine.python:  # packages may have been added or removed since
        return recorded if recorded.packages == mine.packages else mine
    if running:
        return mine if recorded.packages < mine.packages else recorded
    return recorded if recorded.packages >= mine.packages else mine
