"""What commands ask of the stack. It is in files, so that it outlives a crash of the supervisor."""

from __future__ import annotations

from pathlib import Path

import msgspec

from producer.fleet import machine
from producer.stack.autoscaler import Bounds
from shared import atomic_file

_FILE = "desired.json"
_NEEDED = "needed"
_ENDED = "ended"


class Desired(msgspec.Struct, frozen=True):
    """What `hangtag up` asks for."""

    keep: bool = False  #: the stack stays without jobs
    workers: int | None = None  #: children of the worker, at most; None is one per core
    floor: int | None = None  #: and at least, as the backlog asks; None is always as many

    @property
    def bounds(self) -> Bounds:
        """How many children of the worker there may be."""
        ceiling = self.workers or machine.cores()
        return Bounds(ceiling if self.floor is None else min(self.floor, ceiling), ceiling)


def load(folder: Path) -> Desired:
    """What is asked for; the default if nothing, or nothing that can be read, is."""
    try:
        return msgspec.json.decode((folder / _FILE).read_bytes(), type=Desired)
    except (OSError, msgspec.MsgspecError):
        return Desired()


def save(folder: Path, desired: Desired) -> None:
    """Ask for it. The supervisor looks several times a second."""
    atomic_file.replace_volatile(folder / _FILE, msgspec.json.encode(desired))


def forget(folder: Path) -> None:
    """Ask for nothing any more."""
    (folder / _FILE).unlink(missing_ok=True)


def announce(folder: Path) -> None:
    """Say, before knocking at the door, that someone is about to use the stack."""
    (folder / _NEEDED).touch(mode=0o600)


def announced(folder: Path) -> int:
    """When that was said last, in ns; good for comparing only."""
    return _touched(folder / _NEEDED)


def end(folder: Path) -> None:
    """Record, before the stack is ended on request, that running commands must not restart it."""
    (folder / _ENDED).touch(mode=0o600)


def ended(folder: Path) -> int:
    """When the stack was last ended on request, in ns; good for comparing only."""
    return _touched(folder / _ENDED)


def _touched(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
