"""The aliases of a model: an append-only log, one JSON line per decision.

The last line of an alias wins. A line torn by a crash is invalid JSON and is skipped; the next
append starts a new line. A line that does not fit on the disk is truncated again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from shared import atomic_file, file_lock, regular_file
from shared.errors import MISFITS, UsageError
from shared.failpoints import failpoint
from shared.messages.model_name import NAME, PRODUCTION, is_number
from shared.registry import packaged

FILENAME = "aliases.log"
Action = Literal["promote", "rollback", "remove"]


class AliasChange(msgspec.Struct, frozen=True):
    """One line: since `when`, `alias` stands for `version`, or for none after `remove`."""

    alias: str
    version: int
    when: str  #: ISO 8601, UTC
    who: str
    why: str
    action: Action = "promote"
    request: str = ""  #: `Request.mark` of its request, so that it is applied once


def decode_history(data: bytes | None) -> list[AliasChange]:
    """The decisions in a serving copy; none if it is absent or damaged."""
    try:
        return msgspec.json.decode(data or b"[]", type=list[AliasChange])
    except MISFITS:
        return []


class AliasLog:
    """The log of one model."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILENAME

    def decisions(self) -> list[AliasChange]:
        """Every line, oldest first."""
        try:
            with regular_file.open_file(self._path) as file:
                lines = file.read().split(b"\n")
        except FileNotFoundError:
            return []
        return [decision for line in lines if (decision := _decode(line)) is not None]

    def previous(self, alias: str, first: int | None = None) -> int | None:
        """The version before the alias' last promotion that was not rolled back.

        `first` is its version before any decision.
        """
        promoted = [] if first is None else [first]
        for decision in self.decisions():
            if decision.alias != alias:
                continue
            if decision.action == "promote":
                promoted.append(decision.version)
            elif decision.action == "rollback":
                del promoted[-1:]
            else:
                promoted.clear()
        return promoted[-2] if len(promoted) > 1 else None

    def append(
        self,
        alias: str,
        version: int,
        action: Action,
        who: str,
        why: str,
        request: str = "",
    ) -> AliasChange:
        """Write one line, durably.

        Raises:
            UsageError: the alias looks like a version or a path.
            OSError: the line cannot be written; the log is unchanged.
        """
        if not NAME.fullmatch(alias) or is_number(alias):
            raise UsageError(
                f"{alias!r:.80} cannot be an alias; use small letters, digits, '.', '_' and '-', "
                "and at least one that is not a digit"
            )
        when = datetime.now(UTC).isoformat(timespec="seconds")
        decision = AliasChange(alias, version, when, who, why, action, request)
        self._write(msgspec.json.encode(decision))
        return decision

    @contextmanager
    def locked(self) -> Iterator[AliasLog]:
        """Exclude other writers between reading a decision and writing the next."""
        atomic_file.make_folder(self._path.parent)
        with file_lock.locked(self._path):
            yield self

    def _write(self, line: bytes) -> None:
        descriptor = regular_file.open_to_append(self._path)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            try:
                atomic_file.write_all(descriptor, b"\n" * torn + line + b"\n")
                os.fsync(descriptor)
                atomic_file.sync_folder(self._path.parent)  # the file may be new
            except OSError:
                os.ftruncate(descriptor, size)
                raise
            failpoint("aliases.appended")
        finally:
            os.close(descriptor)


def _decode(line: bytes) -> AliasChange | None:
    try:
        return msgspec.json.decode(line, type=AliasChange)
    except MISFITS:
        return None


def aliases_after(name: str, history: Iterable[AliasChange]) -> dict[str, int]:
    """Alias -> version of a model after these decisions."""
    first = first_version(name, PRODUCTION)
    versions = {} if first is None else {PRODUCTION: first}
    for decision in history:
        versions.pop(decision.alias, None)
        if decision.action != "remove":
            versions[decision.alias] = decision.version
    return versions


def first_version(name: str, alias: str) -> int | None:
    """The version of an alias before any promotion."""
    return packaged.VERSION if (name, alias) == (packaged.NAME, PRODUCTION) else None
