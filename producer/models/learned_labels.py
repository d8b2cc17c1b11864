"""The labels that people gave or excluded and a version has learned, for its tables."""

from __future__ import annotations

import msgspec

from producer.models.load_catalog import reader
from shared.labels.class_folders import folder_of
from shared.labels.labelled_files import LabelledFile
from shared.messages.model_card import Card
from shared.registry import learned_corrections
from shared.settings import Settings


def learned_labels(settings: Settings, card: Card) -> list[LabelledFile]:
    """The decisions in force of a version, as far as they say by whom: an older Hangtag did not
    record it. A file may have no label, but names that it does not have. A label has the name that
    the card has for its folder.

    Raises:
        SetupError: the version is gone, its record cannot be read, or is only on another machine.
        BrokerAway: the configured broker is unreachable.
    """
    if learned_corrections.FILE not in card.files:
        return []
    data = reader(settings)(card, learned_corrections.FILE)
    names = {folder_of(label): label for label in card.labels}

    def named(label: str) -> str:
        return names.get(folder_of(label), label)

    files = (decision.file for decision in learned_corrections.decode(data, card))
    return [
        msgspec.structs.replace(
            file, label=named(file.label), excluded=tuple(map(named, file.excluded))
        )
        for file in files
        if (file.label or file.excluded) and file.by and file.crc32
    ]
