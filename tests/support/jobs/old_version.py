"""A trained version that is there already: the network `tutorial` that version 0.2.0 published.

For tests that need a version and train none: training one takes 5 s.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import msgspec

from shared.messages.model_card import Card, decode_card
from shared.registry.registry import Registry

ARCHIVE = Path(__file__).parents[2] / "old_data" / "v0.2.0.tar.xz"
_FOLDER = "hangtag-v0.2.0/home/XDG_DATA_HOME/hangtag/models/tutorial/1"
_FILES = ("model.keras", "model.tflite")


def publish(registry: Registry, name: str, labels: tuple[str, ...]) -> Card:
    """Publish it under this name; `labels` replace its four."""
    files = _read("card.json", *_FILES)
    card = decode_card(files.pop("card.json"))
    assert len(labels) == len(card.labels)
    card = msgspec.structs.replace(card, name=name, labels=labels, files={})
    return registry.publish(card, files)


def _read(*names: str) -> dict[str, bytes]:
    """Files of the version; reading stops at the last, since all the data take a second."""
    wanted = {f"{_FOLDER}/{name}": name for name in names}
    found: dict[str, bytes] = {}
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            if member.name in wanted:
                file = archive.extractfile(member)
                assert file is not None
                found[wanted[member.name]] = file.read()
            if len(found) == len(wanted):
                break
    return found
