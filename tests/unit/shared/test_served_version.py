"""Which of the versions of one training `models promote --serve` chooses."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from shared.errors import SetupError
from shared.messages.model_card import Network, decode_card, encode_card
from shared.messages.model_name import ModelName, parse
from shared.messages.requests import Promote
from shared.messages.training import Serve
from shared.registry import alias_operations, packaged, served_version
from shared.registry.registry import Registry

#: The losses of versions 1 to 3; version 4 is the mean of two of them.
LOSSES = (0.4, 0.3, 0.5)


def registry(root: Path, loss: float, images_per_s: float) -> Registry:
    """A store with three networks, those together, and a later head."""
    store = Registry(root)
    card = msgspec.structs.replace(packaged.card(), name="shoes", files={})
    for _ in LOSSES:
        store.publish(card, {})
    networks = tuple(
        Network(version, "photo-head", 0.5 * (version > 1), 0.9, loss_of, 300.0)
        for version, loss_of in enumerate(LOSSES, 1)
    )
    metrics = msgspec.structs.replace(card.metrics, heldout_loss=loss)
    together = msgspec.structs.replace(
        card, networks=networks, metrics=metrics, images_per_s=images_per_s
    )
    store.publish(together, {})
    store.publish(card, {})
    return store


@pytest.mark.parametrize(
    ("serve", "loss", "images_per_s", "version"),
    [
        ("fast", 0.2, 400.0, 2),
        ("accurate", 0.2, 10.0, 4),
        ("accurate", 0.35, 400.0, 2),
        ("auto", 0.2, 150.0, 4),
        ("auto", 0.2, 149.9, 2),
        ("auto", 0.35, 400.0, 2),
    ],
)
@pytest.mark.parametrize("name", ["shoes@1", "shoes@3", "shoes@4", "shoes"])
def test_it_is_chosen_by_loss_and_speed(
    tmp_path: Path, serve: Serve, loss: float, images_per_s: float, version: int, name: str
) -> None:
    store = registry(tmp_path, loss, images_per_s)
    decided = alias_operations.promote(store, Promote(name, "production", "", serve), "me")
    assert decided.version == version
    assert store.resolve(parse("shoes")).version == version


def test_a_version_that_was_compared_with_no_other_is_refused_in_one_line(tmp_path: Path) -> None:
    store = registry(tmp_path, 0.2, 200.0)
    with pytest.raises(SetupError, match="--recipe photo-together"):
        served_version.choose(store, ModelName("shoes", 5, None), "auto")


def test_versions_that_are_removed_are_not_chosen(tmp_path: Path) -> None:
    store = registry(tmp_path, 0.35, 200.0)
    store.remove("shoes", 2)
    assert served_version.choose(store, parse("shoes@4"), "fast").version == 1
    assert served_version.choose(store, parse("shoes@4"), "accurate").version == 4
    store.promote("shoes", 4, who="me")
    for number in (1, 3):
        store.remove("shoes", number)
    assert served_version.choose(store, parse("shoes@4"), "auto").version == 4
    with pytest.raises(SetupError, match="single networks of shoes@4 are removed"):
        served_version.choose(store, parse("shoes@4"), "fast")


def test_the_card_of_one_network_has_the_same_bytes_as_ever_and_of_several_returns() -> None:
    card = packaged.card()
    assert b"networks" not in encode_card(card)
    network = Network(1, "photo-head", 0.5, 0.9, 0.3, 300.0)
    several = msgspec.structs.replace(card, networks=(network,), images_per_s=160.5)
    assert decode_card(encode_card(several)) == several
