"""Versions of models, wherever they are read: in a store, or in its copies in Redis."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import msgspec

from shared.errors import SetupError, no_model, no_version
from shared.messages.model_card import Card
from shared.messages.model_name import PRODUCTION, ModelName
from shared.registry.alias_log import AliasChange


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


class ModelSource(ABC):
    """Where versions are read; the packaged one is part of each."""

    @abstractmethod
    def numbers(self) -> dict[str, list[int]]:
        """Each model with a version, sorted, and the numbers of its versions, rising."""

    @abstractmethod
    def aliases(self, name: str) -> dict[str, int]:
        """Alias -> version of a model."""

    @abstractmethod
    def history(self, name: str) -> list[AliasChange]:
        """Every promotion and rollback of a model, oldest first."""

    @abstractmethod
    def card(self, name: str, version: int) -> Card:
        """The card of a version.

        Raises:
            SetupError: there is no such version, or its card is damaged.
        """

    @abstractmethod
    def read(self, card: Card, filename: str) -> bytes:
        """A file of a version, verified by its card's sha256.

        Raises:
            SetupError: there is no such file here, or it does not match the card.
        """

    @abstractmethod
    def sizes(self, card: Card) -> dict[str, int]:
        """Bytes of each existing file of a version, without the card."""

    def resolve(self, model: ModelName) -> Card:
        """The card of the version that a name currently stands for.

        Raises:
            SetupError: there is no such version or alias; the message lists the existing ones.
        """
        version = model.version
        if version is None:
            alias = model.alias or PRODUCTION
            version = self.aliases(model.name).get(alias)
            if version is None:
                raise SetupError(self.missing(model.name, alias))
        return self.card(model.name, version)

    def missing(self, name: str, which: int | str) -> str:
        """The sentence for a missing version or alias, or for its missing model."""
        numbers = self.numbers()
        if name not in numbers:
            return no_model(name, numbers)
        return no_version(name, which, numbers[name], self.aliases(name))

    def catalog(self, on_fault: Callable[[str], None]) -> list[CatalogModel]:
        """Every model. Versions with a damaged card are reported and left out."""
        return [self._model(name, of, on_fault) for name, of in self.numbers().items()]

    def _model(
        self, name: str, numbers: list[int], on_fault: Callable[[str], None]
    ) -> CatalogModel:
        versions = []
        for number in numbers:
            try:
                card = self.card(name, number)
                versions.append(CatalogVersion(card, self.sizes(card)))
            except SetupError as error:
                on_fault(str(error))
        return CatalogModel(name, tuple(versions), self.aliases(name), tuple(self.history(name)))
