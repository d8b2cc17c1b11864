"""Decisions about production after a version is published, with the shipped version as rival."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import pytest

from shared.messages.model_card import Card, Preprocessing
from shared.messages.replies import Decided
from shared.messages.requests import Progress, Request
from shared.messages.training import Train
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.settings import Settings
from tests.support.servers.redis_server import RedisServer
from worker.datasets.examples import Examples, content_hashes
from worker.evaluation import heldout_answers
from worker.handlers.context import Context, RequestStopped
from worker.handlers.promotion import settle
from worker.runtimes import load_runtime

COUNT = 64
OLD = packaged.card()
NAME = packaged.NAME
Rule = Literal["if-better", "always", "never"]


class Holder:
    """An attempt that may go on or must stop."""

    def __init__(self, held: bool = True) -> None:
        self.held = held

    def report(self, progress: Progress) -> None:
        pass

    def confirm(self) -> None:
        if not self.held:
            raise RequestStopped("another trainer's")


class Scene:
    """A store, and images of which the shipped version classifies all or a share correctly."""

    def __init__(self, server: RedisServer, store: Path) -> None:
        self.client, self.registry = server.client, Registry(store)
        images = np.random.default_rng(1).integers(0, 256, (COUNT, 28, 28, 1), np.uint8)
        self.file = packaged.read("model.tflite")
        served = load_runtime.load("litert", OLD, self.file)
        self.images, self.labels = images, served.predict(images).argmax(1)
        self.decoded = 0  #: how often the held-out images were asked for
        self.meanwhile: Callable[[], object] = lambda: None  #: while versions are compared

    def publish(
        self,
        accuracy: float,
        request: str,
        count: int = COUNT,
        folds: int = 0,
        learned: int | None = None,
    ) -> Card:
        """Publish a version that cannot be measured; with `learned`, the shipped network that has
        learned from this number of the images."""
        metrics = msgspec.structs.replace(
            OLD.metrics, heldout_accuracy=accuracy, heldout_count=count
        )
        card = msgspec.structs.replace(OLD, metrics=metrics, files={}, request=request, folds=folds)
        files = {"model.tflite": b"never read"}
        if learned is not None:
            hashes = content_hashes(self.images)
            seen = heldout_answers.seen_files_of(hashes[:learned], hashes[learned:])
            files = {"model.tflite": self.file, **seen}
        return self.registry.publish(card, files)

    def settle(
        self, new: Card, rule: Rule = "if-better", right: float = 1.0, held: bool = True
    ) -> Decided:
        labels = self.labels.copy()
        wrong = COUNT - round(right * COUNT)
        labels[:wrong] = (labels[:wrong] + 1) % len(OLD.labels)

        def heldout(spec: Preprocessing) -> Examples | None:
            self.decoded += 1
            if self.decoded == 1:
                self.meanwhile()
            return Examples(self.images, labels) if spec == OLD.preprocessing else None

        work = Train(new.name, "tutorial")
        request = Request(new.request, work, "tester@here", 1.0)
        return settle(
            Context(
                request=request,
                registry=self.registry,
                client=self.client,
                settings=Settings(),
                folder=self.registry.root,
                input=None,
                started=0.0,
                attempt=Holder(held),
            ),
            new,
            rule,
            heldout,
        )

    @property
    def production(self) -> int:
        return self.registry.aliases(NAME)["production"]


@pytest.fixture
def scene(server: RedisServer, tmp_path: Path) -> Scene:
    return Scene(server, tmp_path / "store")


def test_production_is_measured_on_the_same_images(scene: Scene) -> None:
    worse = scene.settle(scene.publish(0.5, "worse"), right=0.75)
    assert (worse.changed, worse.version, worse.before) == (False, 0, 0)
    assert "75.00%" in worse.why
    assert scene.production == 0
    better = scene.settle(scene.publish(0.5, "better"), right=0.25)
    assert (better.changed, better.version, better.before) == (True, 2, 0)
    assert "25.00%" in better.why
    assert scene.production == 2


@pytest.mark.parametrize(("rule", "version"), [("always", 1), ("never", 0)])
def test_the_requested_rule_is_followed(scene: Scene, rule: Rule, version: int) -> None:
    decided = scene.settle(scene.publish(0.5, "requested"), rule, right=0.5)
    assert scene.production == decided.version == version


def test_a_request_moves_production_once_and_repeats_its_decision(scene: Scene) -> None:
    new = scene.publish(1.0, "twice")
    first = scene.settle(new)
    scene.registry.promote(NAME, 0, who="operator", why="by hand")
    assert scene.settle(new) == first
    assert scene.production == 0


def test_a_version_is_judged_against_that_which_a_person_promoted_meanwhile(scene: Scene) -> None:
    unmeasurable = scene.publish(1.0, "by hand")
    new = scene.publish(0.5, "trained")
    scene.meanwhile = lambda: scene.registry.promote(NAME, unmeasurable.version, who="operator")
    decided = scene.settle(new, right=0.25)
    assert (decided.changed, decided.version, decided.before) == (False, 1, 1)
    assert [one.who for one in scene.registry.history(NAME)] == ["operator"]


def test_a_version_that_a_person_promoted_meanwhile_is_promoted_once(scene: Scene) -> None:
    """Otherwise a rollback would lead to the current version."""
    new = scene.publish(0.5, "trained")
    scene.meanwhile = lambda: scene.registry.promote(NAME, new.version, who="operator")
    decided = scene.settle(new, right=0.25)
    assert (decided.changed, decided.version, decided.before) == (False, 1, 1)
    assert scene.registry.rollback(NAME).version == 0


def test_versions_with_different_held_out_images_are_not_compared(scene: Scene) -> None:
    decided = scene.settle(scene.publish(1.0, "other", count=COUNT + 1), right=0.1)
    assert not decided.changed
    assert "cannot be measured" in decided.why


@pytest.mark.parametrize("learned", [0, 1, COUNT])
def test_production_is_not_measured_on_images_that_it_learned_from(
    scene: Scene, learned: int
) -> None:
    """Its accuracy there would be too high, and no better version would replace it."""
    scene.registry.promote(NAME, scene.publish(1.0, "learned", learned=learned).version)
    decided = scene.settle(scene.publish(0.5, "new"), right=0.25)
    assert decided.changed == (learned == 0)
    assert ("25.00%" if learned == 0 else "cannot be measured") in decided.why


def test_the_first_version_of_a_name_was_promoted_when_it_was_published(scene: Scene) -> None:
    card = msgspec.structs.replace(OLD, name="shoes", files={}, request="shoes-1")
    new = scene.registry.publish(card, {"model.tflite": b"never read"})
    decided = scene.settle(new, "never")
    assert (decided.version, decided.before, decided.changed) == (1, None, True)
    assert len(scene.registry.history("shoes")) == 1


@pytest.mark.parametrize(("rule", "version"), [("if-better", 1), ("never", 1), ("always", 2)])
def test_a_damaged_production_fails_no_training(scene: Scene, rule: Rule, version: int) -> None:
    scene.registry.promote(NAME, scene.publish(0.5, "damaged").version)
    new = scene.publish(1.0, "new")
    for filename in ("model.tflite", "card.json"):
        (scene.registry.root / NAME / "1" / filename).write_bytes(b"damaged")
        assert scene.settle(new, rule).version == version
    assert scene.production == version
