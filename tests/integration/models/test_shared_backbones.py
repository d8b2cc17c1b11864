"""A backbone is in a store once, and in Redis once, for all versions that name it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from shared import keys
from shared.errors import SetupError
from shared.messages.model_card import Card
from shared.registry import backbone_store, mirror_writer
from shared.registry.mirror_reader import Mirror
from shared.registry.registry import Registry
from tests.support.jobs import photo_versions
from tests.support.servers.redis_server import RedisServer


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "store")


def _backbone(card: Card) -> tuple[str, str]:
    [(name, sha256)] = card.backbones.items()
    return name, sha256


def test_two_versions_share_one_file_and_one_copy(server: RedisServer, registry: Registry) -> None:
    first, second = (photo_versions.publish(registry, seed) for seed in (1, 2))
    name, sha256 = _backbone(first)
    assert [path.name for path in registry.root.rglob("*.tflite")] == [name]
    mirror_writer.publish(server.client, registry)
    assert [*server.client.scan_iter(f"*{sha256}*")] == [keys.blob(sha256).encode()]
    for source in (registry, Mirror(server.client)):
        for card in (first, second):
            assert source.read(card, name) == photo_versions.backbone()


def test_a_removed_version_leaves_the_file_to_the_others(
    server: RedisServer, registry: Registry
) -> None:
    first, second = (photo_versions.publish(registry, seed) for seed in (1, 2))
    name, sha256 = _backbone(first)
    mirror_writer.publish(server.client, registry)
    registry.remove(second.name, second.version)
    mirror_writer.publish(server.client, registry)
    assert not server.client.exists(keys.blob(second.files["heads.npz"]))
    assert Mirror(server.client).read(first, name) == photo_versions.backbone()
    registry.check(first)
    assert server.client.exists(keys.blob(sha256))


def test_the_last_version_of_a_file_takes_its_copy_with_it(
    server: RedisServer, registry: Registry
) -> None:
    first, other = photo_versions.publish(registry), photo_versions.publish(registry, 2)
    light = registry.publish(msgspec.structs.replace(first, looks=()), {"model.tflite": b"light"})
    mirror_writer.publish(server.client, registry)
    registry.promote(light.name, light.version)
    registry.remove(first.name, first.version)
    registry.remove(other.name, other.version)
    mirror_writer.publish(server.client, registry)
    assert not server.client.exists(keys.blob(_backbone(first)[1]))


@pytest.fixture
def unpackaged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A backbone that does not ship with this release."""
    monkeypatch.setattr(backbone_store, "PACKAGED", tmp_path / "none")


@pytest.mark.parametrize("damage", [None, b"", b"TFL3"])
def test_a_backbone_that_ships_needs_none_in_the_store(
    server: RedisServer, registry: Registry, damage: bytes | None
) -> None:
    card = photo_versions.publish(registry)
    name, sha256 = _backbone(card)
    file = backbone_store.path(registry.root, sha256)
    file.unlink()
    if damage is not None:
        file.write_bytes(damage)
    mirror_writer.publish(server.client, registry)
    for source in (registry, Mirror(server.client)):
        assert source.read(card, name) == photo_versions.backbone()
    registry.check(card)
    backbone_store.put(registry.root, photo_versions.backbone())
    assert file.read_bytes() == photo_versions.backbone()


@pytest.mark.usefixtures("unpackaged")
@pytest.mark.parametrize("damage", [b"", b"TFL3"])
def test_a_damaged_backbone_is_found_and_stored_again(registry: Registry, damage: bytes) -> None:
    card = photo_versions.publish(registry)
    name, sha256 = _backbone(card)
    file = backbone_store.path(registry.root, sha256)
    file.write_bytes(damage)
    for read in (lambda: registry.read(card, name), lambda: registry.check(card)):
        with pytest.raises(SetupError, match=f"{sha256}.tflite is missing or damaged; restore"):
            read()
    backbone_store.put(registry.root, photo_versions.backbone())
    registry.check(card)


@pytest.mark.usefixtures("unpackaged")
def test_a_link_in_the_place_of_a_backbone_is_refused(registry: Registry, tmp_path: Path) -> None:
    card = photo_versions.publish(registry)
    name, sha256 = _backbone(card)
    file = backbone_store.path(registry.root, sha256)
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SetupError, match="is missing"):
        registry.read(card, name)


@pytest.mark.usefixtures("unpackaged")
def test_a_version_whose_backbone_is_lost_is_named_and_the_others_are_copied(
    server: RedisServer, registry: Registry
) -> None:
    card = photo_versions.publish(registry)
    backbone_store.path(registry.root, _backbone(card)[1]).unlink()
    with pytest.raises(mirror_writer.Incomplete, match="is missing or damaged; restore it"):
        mirror_writer.publish(server.client, registry)
    with pytest.raises(SetupError):
        Mirror(server.client).card(card.name, card.version)
