"""Mirror in Redis: workers load a model from it alone, and only as it was published."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from shared import keys
from shared.errors import SetupError
from shared.messages.model_card import Card
from shared.messages.model_name import ModelName, parse
from shared.registry import mirror_writer, packaged
from shared.registry.mirror_reader import Mirror
from shared.registry.registry import Registry
from tests.support.servers.redis_server import RedisServer

NAME = "garments"
FILES = ("model.tflite", "model.keras")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "store")


def published(registry: Registry, notes: str = "") -> Card:
    """The packaged network as a new version of another name."""
    files = {name: packaged.read(name) for name in FILES}
    card = msgspec.structs.replace(packaged.card(), name=NAME, notes=notes)
    return registry.publish(card, files)


def test_an_alias_is_resolved_and_a_number_is_fixed(
    server: RedisServer, registry: Registry
) -> None:
    published(registry)
    second = published(registry, "the second")
    registry.promote(NAME, second.version)
    mirror_writer.publish(server.client, registry)
    assert Mirror(server.client).resolve(parse(NAME)).version == second.version
    assert Mirror(server.client).resolve(ModelName(NAME, 1, None)).version == 1


def test_an_unknown_version_is_one_line_that_lists_the_known_ones(
    server: RedisServer, registry: Registry
) -> None:
    published(registry)
    mirror_writer.publish(server.client, registry)
    for wrong, known in (
        (f"{NAME}@7", f"{NAME}@1"),
        (f"{NAME}@other", f"{NAME}@production"),
        ("nothing", f"fashion-mnist, {NAME}"),
        ("fashion-mnist@7", "fashion-mnist@0"),
        ("fashion-mnist@other", "fashion-mnist@production"),
    ):
        with pytest.raises(SetupError, match=f"there is: {known}; see: hangtag models list"):
            Mirror(server.client).resolve(parse(wrong))


def test_figures_and_labels_are_mirrored_and_answers_to_held_out_images_are_not(
    server: RedisServer, registry: Registry
) -> None:
    files = {"evaluation.json": b"{}", "heldout.npz": b"answers", "corrections.json": b"[]"}
    card = registry.publish(msgspec.structs.replace(packaged.card(), name=NAME), files)
    mirror_writer.publish(server.client, registry)
    assert Mirror(server.client).read(card, "evaluation.json") == b"{}"
    assert Mirror(server.client).read(card, "corrections.json") == b"[]"
    with pytest.raises(SetupError, match=r"heldout.npz of garments@1 is .* on the trainer's mach"):
        Mirror(server.client).read(card, "heldout.npz")


def test_a_file_that_the_card_does_not_list_is_refused(
    server: RedisServer, registry: Registry
) -> None:
    card = published(registry)
    mirror_writer.publish(server.client, registry)
    with pytest.raises(SetupError, match=r"garments@1 has no other\.tflite; choose another"):
        Mirror(server.client).read(card, "other.tflite")


def test_a_changed_file_is_refused(server: RedisServer, registry: Registry) -> None:
    card = published(registry)
    mirror_writer.publish(server.client, registry)
    server.client.set(keys.blob(card.files["model.tflite"]), b"not the model")
    with pytest.raises(SetupError, match="does not match its card"):
        Mirror(server.client).read(card, "model.tflite")
