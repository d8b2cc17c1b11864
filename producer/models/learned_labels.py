"""The labels that people gave or excluded and a version has learned, for its tables."""

from __future__ import annotations

import msgspec

from producer.models.load_catalog import reader
from shared.labels.class_folders import folder_of
from shared.labels.label_line import OF_A_LABEL, LabelLine
from shared.messages.model_card import Card
from shared.registry import learned_lines
from shared.settings import Settings


def learned_labels(settings: Settings, card: Card) -> list[LabelLine]:
    """The lines in force of a version that name a label, by the name that the card has for its
    folder.

    Raises:
        SetupError: the version is gone, its record cannot be read, or is only on another machine.
        BrokerAway: the configured broker is unreachable.
    """
    name = learned_lines.file_of(card)
    if not name:
        return []
    names = {folder_of(label): label for label in card.labels}
    lines = learned_lines.decode(reader(settings)(card, name), card)
    return [
        msgspec.structs.replace(line, label=names.get(folder_of(line.label), line.label))
        for line in lines
        if line.kind in OF_A_LABEL and not line.undo
    ]
