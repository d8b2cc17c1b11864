"""The published versions that teach a training: the same ones in every attempt at its request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from shared.ledger.request_store import TEACHERS_FILE, replace
from shared.messages.model_name import parse
from worker.handlers.context import Context

if TYPE_CHECKING:
    from worker.training.teachers import TeacherVersion


def pinned(context: Context, names: Sequence[str]) -> tuple[str, ...]:
    """`NAME@VERSION` of the versions that the names stood for in the first attempt, each once.

    Raises:
        UsageError: a name is invalid.
        SetupError: there is no such version or alias.
    """
    if not names:
        return ()
    path = context.folder / TEACHERS_FILE
    if not path.exists():
        refs = dict.fromkeys(context.registry.resolve(parse(name)).ref for name in names)
        replace(path, msgspec.json.encode(list(refs)))
    return msgspec.json.decode(path.read_bytes(), type=tuple[str, ...])


def read(context: Context, refs: Sequence[str]) -> tuple[TeacherVersion, ...]:
    """The versions with their networks.

    Raises:
        SetupError: a version is damaged, or was deleted since the first attempt.
    """
    from worker.training.teachers import ARCHIVE, TeacherVersion

    cards = [context.registry.resolve(parse(ref)) for ref in refs]
    return tuple(TeacherVersion(card, context.registry.read(card, ARCHIVE)) for card in cards)
