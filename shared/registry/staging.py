"""The results of attempts to publish a version: published, staged, or left behind by a crash.

An attempt that crashes leaves a number that is taken, perhaps with files, and no version.
"""

from __future__ import annotations

import time
from contextlib import suppress

from shared import atomic_file
from shared.errors import SetupError
from shared.messages.model_card import Card
from shared.registry import version_folder
from shared.registry.registry import REMEDY, Registry

#: A version is written within minutes; an older attempt has crashed.
LEFTOVER_S = 86_400.0


def published(registry: Registry, name: str, mark: str) -> Card | None:
    """The version that the request with this mark has published; None for an empty mark."""
    for version in reversed(registry.versions(name) if mark else []):
        with suppress(SetupError):  # a damaged version does not count
            card = registry.card(name, version)
            if card.request == mark:
                return card
    return None


def sweep(registry: Registry, name: str, mark: str) -> None:
    """Discard what earlier attempts at a request have staged, so that it cannot be published.

    Afterwards `published` is final for all earlier attempts that call `confirm` after staging
    their card.
    """
    for number in registry.removed(name):
        folder = registry.folder(name) / str(number)
        card = version_folder.staged(folder)
        if card is not None and card.request == mark:
            version_folder.discard(folder)


def leftovers(registry: Registry, name: str) -> dict[int, int]:
    """Number -> bytes, for numbers that an attempt has left with files for a day or longer. A
    version that is half removed is not such an attempt."""
    before = time.time() - LEFTOVER_S
    folders = {number: registry.folder(name) / str(number) for number in registry.removed(name)}
    sizes = {
        number: version_folder.left_bytes(folder, before)
        for number, folder in folders.items()
        if not version_folder.is_half_removed(folder)
    }
    return {number: size for number, size in sizes.items() if size}


def discard(registry: Registry, name: str, number: int) -> None:
    """Delete the files of an attempt under a number, unless it is a version by now.

    Raises:
        SetupError: the store cannot be written.
    """
    folder = registry.folder(name) / str(number)
    with atomic_file.writing(folder, REMEDY):
        version_folder.discard(folder)
