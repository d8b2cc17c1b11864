"""A backbone is a file of each version: one on the disk for those of a model, and one in Redis."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from shared import keys
from shared.errors import SetupError
from shared.messages.model_card import Card
from shared.messages.requests import Remove
from shared.registry import mirror_writer, operations, version_folder
from shared.registry.mirror_reader import Mirror
from shared.registry.registry import Registry
from tests.support.jobs import photo_versions
from tests.support.servers.redis_server import RedisServer

NAME = "efficientnet-lite0.tflite"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "store")


def _of(registry: Registry, version: int) -> Path:
    return registry.root / "shapes" / str(version) / NAME


def test_two_versions_share_one_file_and_one_copy(server: RedisServer, registry: Registry) -> None:
    first, second = (photo_versions.publish(registry, seed) for seed in (1, 2))
    assert _of(registry, 1).samefile(_of(registry, 2))
    mirror_writer.publish(server.client, registry)
    key = keys.blob(first.files[NAME])
    assert [*server.client.scan_iter(f"*{first.files[NAME]}*")] == [key.encode()]
    for source in (registry, Mirror(server.client)):
        for card in (first, second):
            assert source.read(card, NAME) == photo_versions.backbone()


def test_a_removed_version_leaves_the_file_to_the_others(
    server: RedisServer, registry: Registry
) -> None:
    first, second = (photo_versions.publish(registry, seed) for seed in (1, 2))
    mirror_writer.publish(server.client, registry)
    removed = operations.remove(registry, Remove("shapes", 2), {}, [])
    assert removed.freed_bytes == len(photo_versions.files([photo_versions.head(2)])["heads.npz"])
    mirror_writer.publish(server.client, registry)
    assert not server.client.exists(keys.blob(second.files["heads.npz"]))
    assert Mirror(server.client).read(first, NAME) == photo_versions.backbone()
    registry.check(first)


class BesideAnother(Registry):
    """While its versions are copied, another process copies a store without the last of them."""

    def __init__(self, root: Path, copy_other: Callable[[], None]) -> None:
        super().__init__(root)
        self._copy_other = copy_other

    def sizes(self, card: Card) -> dict[str, int]:
        self._copy_other()
        return super().sizes(card)


def test_a_file_that_another_writer_deletes_meanwhile_is_missing_until_the_next_copy(
    server: RedisServer, registry: Registry, tmp_path: Path
) -> None:
    """A job waits for it: tests/faults/trainer/test_version_gone.py."""
    first = photo_versions.publish(registry, 1)
    light = registry.publish(msgspec.structs.replace(first, looks=()), {"model.tflite": b"light"})
    registry.promote(light.name, light.version)
    mirror_writer.publish(server.client, registry)
    other = Registry(shutil.copytree(registry.root, tmp_path / "other"))
    other.remove(first.name, first.version)
    second = photo_versions.publish(registry, 2)
    copy_other = partial(mirror_writer.publish, server.client, other)
    mirror_writer.publish(server.client, BesideAnother(registry.root, copy_other))
    assert Mirror(server.client).card(second.name, second.version) == second
    with pytest.raises(SetupError, match=f"{NAME} of shapes@3 is not in Redis"):
        Mirror(server.client).read(second, NAME)
    mirror_writer.publish(server.client, registry)
    for card in (first, second):
        assert Mirror(server.client).read(card, NAME) == photo_versions.backbone()


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
    assert not server.client.exists(keys.blob(first.files[NAME]))


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_file_of_all_versions_is_read_from_the_package(
    server: RedisServer, registry: Registry, damage: str
) -> None:
    cards = [photo_versions.publish(registry, seed) for seed in (1, 2)]
    for card in cards:
        if damage == "missing":
            _of(registry, card.version).unlink()
        else:
            _of(registry, card.version).write_bytes(b"damaged")
    mirror_writer.publish(server.client, registry)
    for card in cards:
        registry.check(card)
        for source in (registry, Mirror(server.client)):
            assert source.read(card, NAME) == photo_versions.backbone()


def test_a_damaged_file_that_does_not_ship_is_named_with_its_version(registry: Registry) -> None:
    network = b"network" * version_folder.LINKED_BYTES
    card = msgspec.structs.replace(photo_versions.card(), looks=())
    first, second = (registry.publish(card, {"model.onnx": network}) for _ in range(2))
    (registry.root / "shapes" / "1" / "model.onnx").write_bytes(b"damaged")
    for card in (first, second):
        with pytest.raises(SetupError, match=rf"model.onnx of {card.ref} is .*; restore /.* or "):
            registry.check(card)


@pytest.mark.parametrize("damage", ["shorter", "missing", "a link"])
def test_a_damaged_file_is_not_shared_with_the_next_version(
    registry: Registry, tmp_path: Path, damage: str
) -> None:
    photo_versions.publish(registry)
    old = _of(registry, 1)
    if damage == "shorter":
        old.write_bytes(old.read_bytes()[:-1])
    else:
        old.rename(tmp_path / "elsewhere")
    if damage == "a link":
        old.symlink_to(tmp_path / "elsewhere")
    second = photo_versions.publish(registry, 2)
    registry.check(second)
    assert (_of(registry, 2).stat().st_nlink, _of(registry, 2).is_symlink()) == (1, False)
