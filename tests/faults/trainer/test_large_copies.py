"""A version with a large file reaches workers although the process that copies it is killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import msgspec
import pytest

from shared import keys
from shared.messages.model_card import Card
from shared.registry import file_copies, mirror_writer, packaged
from shared.registry.mirror_reader import Mirror
from shared.registry.registry import Registry
from tests.support.failpoints.armed import Points, Shot
from tests.support.servers.redis_server import RedisServer

NAME = "large"
SIZE = file_copies.PART_BYTES + (1 << 20)  #: two parts
SHOTS = [
    Shot("copies.part-put", 1),
    Shot("copies.part-put", 2),
    Shot("copies.card-put"),
]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "store")


def publish(registry: Registry, seed: int) -> Card:
    card = msgspec.structs.replace(packaged.card(), name=NAME, files={})
    return registry.publish(card, {"model.keras": Random(seed).randbytes(SIZE)})


def copy(server: RedisServer, registry: Registry, points: Points) -> int:
    """Copy the store in a process of its own; returns its exit status."""
    command = [sys.executable, "-m", "tests.faults.apps.failpoint_copier"]
    arguments = [server.url, str(registry.root)]
    return subprocess.run(
        [*command, *arguments], env={**os.environ, **points.settings}, check=False
    ).returncode


@pytest.mark.points
@pytest.mark.parametrize("shot", SHOTS, ids=str)
def test_a_copier_may_die_at_any_part_of_a_file(
    server: RedisServer, registry: Registry, tmp_path: Path, shot: Shot
) -> None:
    points, card = Points(tmp_path / "points"), publish(registry, 1)
    points.arm(shot)
    assert copy(server, registry, points) == -9
    assert points.victim(), f"{shot} has not fired"
    if shot.name == "copies.part-put":
        assert not server.client.exists(keys.model_card(NAME, 1)), "a card without its file"
    points.disarm()
    assert copy(server, registry, points) == 0
    content = Mirror(server.client).read(card, "model.keras")
    assert content == registry.read(card, "model.keras")


@pytest.mark.points
def test_the_files_of_a_pruned_version_are_removed_although_a_copier_dies(
    server: RedisServer, registry: Registry, tmp_path: Path
) -> None:
    points, gone, stays = Points(tmp_path / "points"), publish(registry, 1), publish(registry, 2)
    registry.promote(NAME, stays.version)
    mirror_writer.publish(server.client, registry)
    registry.remove(NAME, gone.version)
    points.arm(Shot("copies.card-removed"))
    assert copy(server, registry, points) == -9
    assert not server.client.exists(keys.model_card(NAME, gone.version))
    points.disarm()
    assert copy(server, registry, points) == 0
    assert not server.client.exists(keys.blob(gone.files["model.keras"]))
    content = Mirror(server.client).read(stays, "model.keras")
    assert content == registry.read(stays, "model.keras")
