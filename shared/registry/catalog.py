"""The catalog: every version of every model, from the store or from its copies in Redis."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from shared.errors import SetupError
from shared.messages.model_card import Card
from shared.registry.alias_log import AliasChange
from shared.registry.registry import Registry


class CatalogVersion(msgspec.Struct, frozen=True):
    """One version and the known sizes of its files in bytes."""

    card: Card
    sizes: dict[str, int]


class CatalogModel(msgspec.Struct, frozen=True):
    """One model: its versions in rising order, its aliases and their history."""

    name: str
    versions: tuple[CatalogVersion, ...]
    aliases: dict[str, int]
    history: tuple[AliasChange, ...]  #: oldest first


def of_store(registry: Registry, on_fault: Callable[[str], None]) -> list[CatalogModel]:
    """Every model of a store. Versions with a damaged card are reported and left out."""
    return [_model(registry, name, on_fault) for name in registry.names()]


def _model(registry: Registry, name: str, on_fault: Callable[[str], None]) -> CatalogModel:
    versions = []
    for number in registry.versions(name):
        try:
            card = registry.card(name, number)
            versions.append(CatalogVersion(card, registry.sizes(card)))
        except SetupError as error:
            on_fault(str(error))
    history = tuple(registry.history(name))
    return CatalogModel(name, tuple(versions), registry.aliases(name), history)
