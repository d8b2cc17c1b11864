"""The desired state of the stack, in files, so that it survives a crash of the supervisor."""

from __future__ import annotations

from pathlib import Path

import msgspec

from producer.fleet import machine_resources
from producer.stack.autoscaler import Bounds
from producer.stack.environment import Environment
from shared import atomic_file
from shared.settings import Settings

_FILE = "desired.json"
_NEEDED = "needed"
_ENDED = "ended"


class Desired(msgspec.Struct, frozen=True):
    """The state that commands request: `hangtag up` all but the environment."""

    keep: bool = False  #: whether the stack stays without jobs
    #: Upper bound on the children of the worker; None: the default.
    children: int | None = msgspec.field(default=None, name="workers")
    floor: int | None = None  #: lower bound for autoscaling; None disables autoscaling
    environment: Environment | None = None  #: of the last start; None: that of the supervisor

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


def forget(folder: Path) -> None:
    """Delete the desired state."""
    (folder / _FILE).unlink(missing_ok=True)


def announce(folder: Path) -> None:
    """Record, before connecting, that a command is about to use the stack."""
    (folder / _NEEDED).touch(mode=0o600)


def announced(folder: Path) -> int:
    """When that was last recorded, in ns; only for comparison."""
    return _touched(folder / _NEEDED)


def end(folder: Path) -> None:
    """Record, before the stack is ended on request, that running commands must not restart it."""
    (folder / _ENDED).touch(mode=0o600)


def ended(folder: Path) -> int:
    """When the stack was last ended on request, in ns; only for comparison."""
    return _touched(folder / _ENDED)


def _touched(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
