"""What attempts at a version have come to: published, staged, or left behind by the dead.

An attempt that dies leaves a number that is taken, perhaps with files, and no version.
"""

from __future__ import annotations

import time
from contextlib import suppress

from shared import atomic_file
from shared.errors import SetupError
from shared.messages.model_card import Card
from shared.registry import version_folder
from shared.registry.registry import REMEDY, Registry

#: A version is written within minutes; whoever began it so long ago is dead.
LEFTOVER_S = 86_400.0


def published(registry: Registry, name: str, mark: str) -> Card | None:
    """The version that the request of this mark has led to already; None for the empty one."""
    for version in reversed(registry.versions(name) if mark else []):
        with suppress(SetupError):  # a damaged version is none
            card = registry.card(name, version)
            if card.request == mark:
                return card
    return None


def sweep(registry: Registry, name: str, mark: str) -> None:
    """Clear away what earlier attempts at a request have staged, so that it cannot appear.

    What `published` answers afterwards is all that they have published, and ever will: for those
    that ask `confirm` after their card was staged.
    """
    for number in registry.removed(name):
        folder = registry.folder(name) / str(number)
        card = version_folder.staged(folder)
        if card is not None and card.request == mark:
            version_folder.discard(folder)


def leftovers(registry: Registry, name: str) -> dict[int, int]:
    """Numbers under which a file lies and no version, for a day or longer: bytes of each."""
    before = time.time() - LEFTOVER_S
    found = {
        number: version_folder.left_bytes(registry.folder(name) / str(number), before)
        for number in registry.removed(name)
    }
    return {number: size for number, size in found.items() if size}


def discard(registry: Registry, name: str, number: int) -> None:
    """Delete what an attempt has left under a number, unless it is a version by now.

    Raises:
        SetupError: the store cannot be written.
    """
    folder = registry.folder(name) / str(number)
    with atomic_file.writing(folder, REMEDY):
        version_folder.discard(folder)
