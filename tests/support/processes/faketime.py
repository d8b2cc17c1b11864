"""Processes with a wrong wall clock, by Debian's libfaketime. Their CLOCK_MONOTONIC and the times
of files stay right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

NOT_HERE = "libfaketime is not installed (Debian's package faketime)"
_PLACES = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib*/faketime/libfaketime.so.1")


def library() -> str:
    """The library's path; empty if it is not installed."""
    found = [path for place in _PLACES for path in Path("/").glob(place.lstrip("/"))]
    return str(found[0]) if found else ""


def wrong_by(seconds: int) -> dict[str, Any]:
    """The environment of a process whose clock is ahead by `seconds`."""
    return {**_environment(), "FAKETIME": offset(seconds)}


def movable(file: Path) -> dict[str, Any]:
    """The environment of a process whose clock follows a file; see `move`."""
    move(file, 0)
    return {**_environment(), "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1"}


def move(file: Path, seconds: int) -> None:
    """Set the clock ahead of the right time by `seconds`, immediately."""
    new = file.with_suffix(".new")
    new.write_text(f"{offset(seconds)}\n")
    new.rename(file)


def offset(seconds: int) -> str:
    """An offset in the format of libfaketime."""
    return f"{seconds:+d}"


def _environment() -> dict[str, Any]:
    return {"LD_PRELOAD": library(), "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
