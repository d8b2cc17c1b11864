"""Which of the versions of one training is served: the fastest, the most accurate, or as `auto`."""

from __future__ import annotations

from shared.errors import SetupError
from shared.messages.model_card import Card
from shared.messages.model_name import ModelName
from shared.messages.training import Serve
from shared.registry.registry import Registry

#: `auto` serves several networks if one core decodes and classifies this number with them.
FEWEST_IMAGES_PER_S = 150.0


def is_fast(card: Card) -> bool:
    """Whether `auto` may serve this version of several networks."""
    return card.images_per_s >= FEWEST_IMAGES_PER_S


def choose(registry: Registry, name: ModelName, serve: Serve) -> Card:
    """The version that is served of those that were compared with a version.

    Raises:
        SetupError: it was compared with no others, or all of them are removed.
    """
    whole = _compared(registry, registry.resolve(name))
    versions = set(registry.versions(whole.name))
    single = min(
        (network for network in whole.networks if network.version in versions),
        key=lambda network: network.loss,
        default=None,
    )
    allowed = serve == "accurate" or (serve == "auto" and is_fast(whole))
    if single is None and serve == "fast":
        raise SetupError(f"the single networks of {whole.ref} are removed; train them again")
    if single is None or (allowed and whole.metrics.heldout_loss < single.loss):
        return whole
    return registry.card(whole.name, single.version)


def _compared(registry: Registry, card: Card) -> Card:
    """The version of several networks that a version is, or was compared for."""
    if card.networks:
        return card
    for number in reversed(registry.versions(card.name)):
        other = registry.card(card.name, number)
        if card.version in {network.version for network in other.networks}:
            return other
    raise SetupError(
        f"{card.ref} was compared with no other networks; train {card.name} with several: "
        f"hangtag train DIR --name {card.name} --recipe photo-together"
    )
