"""The desired state of the stack, in a file, so that it survives a crash of the supervisor.

Part of it is the Python environment of its processes: one of those that commands came from.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from producer.machine import machine_resources
from producer.machine.autoscaler import Bounds
from shared import atomic_file, installation
from shared.settings import Settings

_FILE = "desired.json"


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


def own_environment() -> Environment:
    """The environment of this process."""
    python, path = os.fsencode(sys.executable), os.fsencode(installation.python_path())
    return Environment(python, path, installation.present())


def chosen(recorded: Environment | None, running: bool) -> Environment:
    """The environment that a stack is to run in after a command of this process.

    `recorded` is that of the last start; `running`: the stack runs in it. Of two environments the
    one with all packages of the other is chosen. If neither has them, a running one stays.
    """
    current = own_environment()
    if recorded is None or not os.access(recorded.python, os.X_OK):
        return current
    if recorded.python == current.python:  # packages may have been added or removed since
        return recorded if recorded.packages == current.packages else current
    if running:
        return current if recorded.packages < current.packages else recorded
    return recorded if recorded.packages >= current.packages else current


class Desired(msgspec.Struct, frozen=True):
    """The state that commands request: `hangtag up` all but the environment."""

    keep: bool = False  #: whether the stack stays without jobs
    #: Upper bound on the children of the worker; None: the default.
    children: int | None = None
    floor: int | None = None  #: lower bound for autoscaling; None disables autoscaling
    environment: Environment | None = None  #: of the last start; None: that of the supervisor
    #: When `hangtag down` was last used, in ns: commands that ran then do not start it again.
    ended: int = 0

    def bounds(self, settings: Settings) -> Bounds:
        """The limits on the worker's number of children.

        The default is one per core, as far as the container's memory allows.
        """
        ceiling = self.children or machine_resources.children(settings.child_memory_mb << 20)
        return Bounds(ceiling if self.floor is None else min(self.floor, ceiling), ceiling)

    def memory_notice(self, settings: Settings) -> str:
        """The notice that memory limits the number of children; empty if it does not, or if a
        number was requested."""
        if self.children:
            return ""
        return machine_resources.memory_notice(settings.child_memory_mb, "--workers")


def load(folder: Path) -> Desired:
    """The desired state; the default if there is none, or it is unreadable."""
    try:
        return msgspec.json.decode((folder / _FILE).read_bytes(), type=Desired)
    except (OSError, msgspec.MsgspecError):
        return Desired()


def save(folder: Path, desired: Desired) -> None:
    """Write the desired state. The supervisor polls it several times a second."""
    atomic_file.replace_volatile(folder / _FILE, msgspec.json.encode(desired))


def end(folder: Path) -> None:
    """Record that the stack is ended on request."""
    save(folder, Desired(ended=time.time_ns()))


def announce(folder: Path) -> None:
    """Record, before connecting, that a command is about to use the stack."""
    (folder / _FILE).touch(mode=0o600)


def changed(folder: Path) -> int:
    """When a command last changed the desired state, or announced itself, in ns; only for
    comparison."""
    try:
        return (folder / _FILE).stat().st_mtime_ns
    except OSError:
        return 0
