"""The card of a version before anything is trained; importing this imports no TensorFlow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from shared import installation
from shared.messages.model_card import Card, Metrics, Preprocessing
from shared.recipes import Recipe


class CardData(Protocol):
    """What a card states of its data."""

    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def preprocessing(self) -> Preprocessing: ...


def blank_card(name: str, recipe: Recipe, data: CardData, seed: int) -> Card:
    """The card before anything is exported or measured."""
    return Card(
        name=name,
        version=0,
        labels=data.labels,
        preprocessing=data.preprocessing,
        temperature=1.0,
        metrics=Metrics(0.0, 0, 0.0, 0.0),
        recipe=recipe.name,
        seed=seed,
        epochs=recipe.epochs,
        parameters=0,
        dataset=data.name,
        dataset_fingerprint="",
        code_version=installation.version(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        files={},
    )
