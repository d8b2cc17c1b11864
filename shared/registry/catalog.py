"""Versions of models, wherever they are read: in a store, or in its copies in Redis."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import msgspec

from shared.errors import SetupError, no_model, no_version
from shared.messages.model_card import Card
from shared.messages.model_name import PRODUCTION, ModelName
from shared.registry import packaged
from shared.registry.alias_log import AliasChange, aliases_after


class VersionDetails(msgspec.Struct, frozen=True):
    """One version with its files, aliases and history."""

    card: Card
    sizes: dict[str, int]  #: bytes of its files, as far as known
    aliases: tuple[str, ...]  #: that point to it
    history: tuple[AliasChange, ...]  #: of all aliases of the model, oldest first


class ModelSource(ABC):
    """Where versions are read; the packaged one is part of each."""

    @abstractmethod
    def numbers(self) -> dict[str, list[int]]:
        """Each model with a version, sorted, and the numbers of its versions, rising."""

    @abstractmethod
    def history(self, name: str) -> list[AliasChange]:
        """Every promotion and rollback of a model, oldest first."""

    @abstractmethod
    def stored_card(self, name: str, version: int) -> Card:
        """As `card`, of a version that is not packaged."""

    @abstractmethod
    def stored_file(self, card: Card, filename: str) -> bytes:
        """As `read`, of a version that is not packaged."""

    @abstractmethod
    def stored_sizes(self, card: Card) -> dict[str, int]:
        """As `sizes`, of a version that is not packaged."""

    def card(self, name: str, version: int) -> Card:
        """The card of a version.

        Raises:
            SetupError: there is no such version, or its card is damaged.
        """
        if packaged.is_packaged(name, version):
            return packaged.card()
        return self.stored_card(name, version)

    def read(self, card: Card, filename: str) -> bytes:
        """A file of a version, verified by its card's sha256.

        Raises:
            SetupError: there is no such file here, or it does not match the card.
        """
        if packaged.is_packaged(card.name, card.version):
            return packaged.read(filename)
        return self.stored_file(card, filename)

    def sizes(self, card: Card) -> dict[str, int]:
        """Bytes of each existing file of a version, without the card."""
        if packaged.is_packaged(card.name, card.version):
            return packaged.sizes()
        return self.stored_sizes(card)

    def aliases(self, name: str) -> dict[str, int]:
        """Alias -> version of a model."""
        return aliases_after(name, self.history(name))

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

    def version(self, model: ModelName) -> VersionDetails:
        """The version that a name currently stands for. Raises SetupError as `resolve`."""
        return self._details(self.resolve(model), self.history(model.name))

    def catalog(self, on_fault: Callable[[str], None]) -> list[VersionDetails]:
        """Every version, by name and number. One with a damaged card is reported and left out."""
        found = []
        for name, numbers in self.numbers().items():
            history = self.history(name)
            for number in numbers:
                try:
                    found.append(self._details(self.card(name, number), history))
                except SetupError as error:
                    on_fault(str(error))
        return found

    def _details(self, card: Card, history: Sequence[AliasChange]) -> VersionDetails:
        current = aliases_after(card.name, history)
        aliases = sorted(alias for alias, number in current.items() if number == card.version)
        return VersionDetails(card, self.sizes(card), tuple(aliases), tuple(history))
