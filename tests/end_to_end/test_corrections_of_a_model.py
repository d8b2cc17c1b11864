"""Corrections belong to a model: its later trainings learn from them without being given them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from producer.models.train import summary
from shared.labels.labelled_files import LabelledFile, encode_files, input_sha256
from shared.messages.replies import Trained
from shared.messages.training import Train
from shared.registry import learned_corrections
from shared.registry.registry import Registry
from tests.support.backbones import converted, short_backbone
from tests.support.images import shapes
from tests.support.jobs import handler_context
from tests.support.servers.redis_server import RedisServer
from worker.handlers.train import train

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
IMAGES = 6
CORRECTED = {"circle": IMAGES + 2, "square": IMAGES}


class Trainings(NamedTuple):
    """Trainings of one model, one after the other."""

    registry: Registry
    first: Trained  #: with a circle among the squares, and one in no class folder
    again: Trained  #: without being given them, after the second one was deleted


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory, server_binary: Path) -> Iterator[Trainings]:
    root = tmp_path_factory.mktemp("model") / "photos"
    for shape in CORRECTED:
        shapes.write(root, shape, IMAGES)
    planted, outside = root / "square/planted.png", root.parent / "inbox.png"
    for seed, path in enumerate((planted, outside)):
        path.write_bytes(shapes.encoded(shapes.draw("circle", 100 + seed), "PNG"))
    store = tmp_path_factory.mktemp("store")
    with short_backbone.in_table(store) as backbone, RedisServer(server_binary) as server:
        converted.put(backbone, store)
        first = _train(server, store, root, 1, [_file(planted), _file(outside)])
        outside.unlink()
        again = _train(server, store, root, 2)
        yield Trainings(Registry(store), first, again)


def _file(path: Path) -> LabelledFile:
    data = path.read_bytes()
    return LabelledFile(hashlib.sha256(data).hexdigest(), len(data), "circle", bytes(path))


def _train(
    server: RedisServer,
    store: Path,
    root: Path,
    number: int,
    given: Sequence[LabelledFile] = (),
) -> Trained:
    data = encode_files(given) if given else None
    sha256 = input_sha256(data)
    work = Train("shapes", "photo-head", str(root), precision="fp32", corrections=sha256)
    context, _ = handler_context.make(server, store, work, data, f"r{number}", created=number)
    answer = train(context, work).answer
    assert isinstance(answer, Trained)
    return answer


def _counts(trained: Trained) -> dict[str, int]:
    assert trained.data is not None
    return dict(zip(trained.data.labels, trained.data.training, strict=True))


def _said(trained: Trained) -> str:
    return "\n".join(summary(trained, {}))


def test_a_later_training_learns_from_them_and_says_so(trainings: Trainings) -> None:
    assert _counts(trainings.first) == _counts(trainings.again) == CORRECTED
    assert (trainings.first.corrections, trainings.first.earlier_corrections) == (2, 0)
    assert (trainings.again.corrections, trainings.again.earlier_corrections) == (2, 2)
    assert "2 of them from earlier trainings" in _said(trainings.again)
    assert "--without-corrections" in _said(trainings.again)
    assert "earlier" not in _said(trainings.first)


def test_each_version_has_all_of_them(trainings: Trainings) -> None:
    for number in (1, 2):
        card = trainings.registry.card("shapes", number)
        assert len(learned_corrections.read(trainings.registry, card)) == 2


def test_a_picture_that_is_gone_is_learned_from_by_its_features(trainings: Trainings) -> None:
    assert "1 corrected photo is gone: learned from by the features" in _said(trainings.again)


def test_versions_are_compared_on_the_same_photos(trainings: Trainings) -> None:
    assert f"on the {sum(CORRECTED.values())} held-out images" in trainings.again.decision.why
