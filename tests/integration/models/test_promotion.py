"""Decisions about production after a version is published, with the shipped version as rival."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import pytest

from shared.messages.model_card import Card
from shared.messages.replies import Decided
from shared.messages.requests import Request
from shared.messages.training import Train
from shared.registry import packaged
from shared.registry.registry import Registry
from tests.support.servers.redis_server import RedisServer
from worker.evaluation import heldout_answers
from worker.requests.context import Context, RequestStopped
from worker.requests.promotion import settle

OLD = packaged.card()
NAME = packaged.NAME
Rule = Literal["if-better", "always", "never"]


def _stop() -> None:
    raise RequestStopped


class WatchedRegistry(Registry):
    """Lets something happen while the records of two versions are read."""

    def __init__(self, store: Path) -> None:
        super().__init__(store)
        self.meanwhile: list[Callable[[], object]] = []

    def read(self, card: Card, name: str) -> bytes:
        data = super().read(card, name)
        while self.meanwhile:
            self.meanwhile.pop()()
        return data


class Scene:
    """A store with the version that ships, and its record of held-out images."""

    def __init__(self, server: RedisServer, store: Path) -> None:
        self.client, self.registry = server.client, WatchedRegistry(store)
        self.record = heldout_answers.decode(packaged.read(heldout_answers.FILE), OLD)

    def publish(self, request: str, right: float | None = None) -> Card:
        """Publish a version that is right on this share of the images; None: it has no record."""
        card = msgspec.structs.replace(OLD, files={}, request=request)
        files = {"model.tflite": b"never read"}
        if right is not None:
            labels = self.record.labels
            wrong = np.arange(len(labels)) >= right * len(labels)
            answers = np.eye(len(OLD.labels), dtype=np.float32)[(labels + wrong) % len(OLD.labels)]
            record = self.record._replace(logits=10 * answers)
            files[heldout_answers.FILE] = heldout_answers.encode(record)
        return self.registry.publish(card, files)

    def settle(self, new: Card, rule: Rule = "if-better", held: bool = True) -> Decided:
        request = Request(new.request, Train(new.name, "tutorial"), "tester@here", 1.0)
        context = Context(
            request=request,
            registry=self.registry,
            client=self.client,
            folder=self.registry.root,
            input=None,
            report=lambda progress: None,
            confirm=(lambda: None) if held else _stop,
        )
        return settle(context, new, rule)

    @property
    def production(self) -> int:
        return self.registry.aliases(NAME)["production"]


@pytest.fixture
def scene(server: RedisServer, tmp_path: Path) -> Scene:
    return Scene(server, tmp_path / "store")


def test_production_is_measured_on_the_same_images(scene: Scene) -> None:
    worse = scene.settle(scene.publish("worse", 0.5))
    assert (worse.changed, worse.version, worse.before) == (False, 0, 0)
    assert "50.00%" in worse.why
    assert scene.production == 0
    better = scene.settle(scene.publish("better", 1.0))
    assert (better.changed, better.version, better.before) == (True, 2, 0)
    assert "100.00%" in better.why
    assert scene.production == 2


def test_a_version_without_a_record_is_promoted_by_a_person_alone(scene: Scene) -> None:
    decided = scene.settle(scene.publish("unmeasured"))
    assert not decided.changed
    assert f"promote it with: hangtag models promote {NAME}@1" in decided.why


@pytest.mark.parametrize(("rule", "version"), [("always", 1), ("never", 0)])
def test_the_requested_rule_is_followed(scene: Scene, rule: Rule, version: int) -> None:
    decided = scene.settle(scene.publish("requested", 0.5), rule)
    assert scene.production == decided.version == version


def test_a_request_moves_production_once_and_repeats_its_decision(scene: Scene) -> None:
    new = scene.publish("twice", 1.0)
    first = scene.settle(new)
    scene.registry.promote(NAME, 0, who="operator", why="by hand")
    assert scene.settle(new) == first
    assert scene.production == 0


def test_a_version_is_judged_against_that_which_a_person_promoted_meanwhile(scene: Scene) -> None:
    perfect, new = scene.publish("by hand", 1.0), scene.publish("trained", 0.97)

    def promote() -> None:
        scene.registry.promote(NAME, perfect.version, who="operator")

    scene.registry.meanwhile.append(promote)
    decided = scene.settle(new)
    assert (decided.changed, decided.version, decided.before) == (False, 1, 1)
    assert [entry.who for entry in scene.registry.history(NAME)] == ["operator"]


def test_a_version_that_a_person_promoted_meanwhile_is_promoted_once(scene: Scene) -> None:
    """Otherwise a rollback would lead to the current version."""
    new = scene.publish("trained", 1.0)

    def promote() -> None:
        scene.registry.promote(NAME, new.version, who="operator")

    scene.registry.meanwhile.append(promote)
    decided = scene.settle(new)
    assert (decided.changed, decided.version, decided.before) == (False, 1, 1)
    assert scene.registry.rollback(NAME).version == 0


def test_the_first_version_of_a_name_was_promoted_when_it_was_published(scene: Scene) -> None:
    card = msgspec.structs.replace(OLD, name="shoes", files={}, request="shoes-1")
    new = scene.registry.publish(card, {"model.tflite": b"never read"})
    decided = scene.settle(new, "never")
    assert (decided.version, decided.before, decided.changed) == (1, None, True)
    assert len(scene.registry.history("shoes")) == 1


@pytest.mark.parametrize(("rule", "version"), [("if-better", 1), ("never", 1), ("always", 2)])
def test_a_damaged_production_fails_no_training(scene: Scene, rule: Rule, version: int) -> None:
    scene.registry.promote(NAME, scene.publish("damaged", 0.5).version)
    new = scene.publish("new", 1.0)
    for filename in (heldout_answers.FILE, "card.json"):
        (scene.registry.root / NAME / "1" / filename).write_bytes(b"damaged")
        assert scene.settle(new, rule).version == version
    assert scene.production == version
