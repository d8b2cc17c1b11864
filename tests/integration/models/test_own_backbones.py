"""Heads learn from a network that a person adds, as from those that ship."""

from __future__ import annotations

import hashlib
import importlib.util
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from shared.errors import SetupError
from shared.messages import replies
from shared.messages.model_card import Card
from shared.messages.model_name import parse
from shared.messages.replies import CheckedDataset, Trained, decode_features
from shared.messages.requests import (
    AddBackbone,
    CheckDataset,
    ComputeFeatures,
    ListBackbones,
    NetworkForm,
)
from shared.messages.training import Train
from shared.registry import own_backbones
from shared.registry.mirror_reader import Mirror
from shared.registry.own_backbones import Backbones, OwnBackbone
from shared.registry.registry import Registry
from tests.support.jobs import handler_context
from tests.support.models import drawn_backbones, drawn_networks
from tests.support.models.drawn_backbones import FEATURES, FORM, IMPORTED, LABELS, SIDE
from tests.support.servers.redis_server import RedisServer
from worker.requests import check_dataset, import_network, train
from worker.requests import folder_features as features_handler
from worker.requests.context import Reply
from worker.runtimes import load_runtime

HANDLERS: dict[type, Any] = {
    AddBackbone: import_network.add_backbone,
    ListBackbones: import_network.list_backbones,
    Train: train.train,
    CheckDataset: check_dataset.check,
    ComputeFeatures: features_handler.compute,
}


def handled(server: RedisServer, store: Path, work: Any, file: bytes | None = None) -> Reply:
    name = hashlib.sha256(repr(work).encode()).hexdigest()[:8]
    context, _ = handler_context.make(server, store, work, file, name)
    reply: Reply = HANDLERS[type(work)](context, work)
    return reply


def added(
    server: RedisServer, store: Path, file: bytes, form: NetworkForm = FORM, name: str = "cells",
) -> OwnBackbone:  # fmt: skip
    work = AddBackbone(name, hashlib.sha256(file).hexdigest(), form)
    answer = handled(server, store, work, file).answer
    assert isinstance(answer, OwnBackbone)
    return answer


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return drawn_backbones.write_photos(tmp_path / "photos", 20)


def trained(server: RedisServer, store: Path, photos: Path) -> Card:
    work = Train("colours", "photo-head", str(photos), backbone="cells")
    answer = handled(server, store, work).answer
    assert isinstance(answer, Trained)
    return Mirror(server.client).resolve(parse(answer.model))


def test_what_the_file_says_is_read_and_listed(server: RedisServer, store: Path) -> None:
    file = drawn_backbones.file()
    backbone = added(server, store, file)
    assert (backbone.size_pixels, backbone.features, backbone.imported) == (
        SIDE,
        FEATURES,
        IMPORTED,
    )
    assert backbone.sha256 == hashlib.sha256(file).hexdigest()
    listed = handled(server, store, ListBackbones()).answer
    assert listed == Backbones((backbone,))
    assert own_backbones.files(store, backbone)["model.onnx"] == file


def test_a_request_adds_once_and_another_is_refused_in_one_line(
    server: RedisServer, store: Path
) -> None:
    first = added(server, store, drawn_backbones.file())
    assert added(server, store, drawn_backbones.file()) == first
    with pytest.raises(SetupError, match=r"there is a backbone cells, added .*backbones rm cells$"):
        added(server, store, drawn_backbones.file(), msgspec.structs.replace(FORM, std=()))
    with pytest.raises(SetupError, match="efficientnet-lite0 is part of Hangtag; give another"):
        added(server, store, drawn_backbones.file(), name="efficientnet-lite0")
    assert own_backbones.listed(store) == {"cells": first}


@pytest.mark.parametrize(
    ("file", "form", "line"),
    [
        (drawn_backbones.file(), NetworkForm(),
         r"does not say the range .*\(--like timm, torchvision or clip; or --scale .*; give it$"),
        (drawn_backbones.file("side"), FORM, r"the size of its images \(--size PIXELS\); give it$"),
        (drawn_backbones.file(64, maps=True), FORM,
         "returns 12,288 values for an image, and not 2 to 4,096 features"),
        (drawn_backbones.file(returned=("map", "f")), FORM,
         r"its outputs are map, f; name the one with the features with --output$"),
        (drawn_backbones.file(width=2 * SIDE), FORM,
         "takes images of 16x32 in 3 channels; add one that takes square images in colour"),
        (drawn_networks.file(drawn_networks.Drawn(takes_uint8=True)), FORM,
         "leave --like and --scale out"),
        (drawn_networks.convolution()[:90], FORM, "^the file is refused"),
    ],
)  # fmt: skip
def test_what_cannot_be_known_is_asked_for_in_one_line_and_nothing_is_added(
    server: RedisServer, store: Path, file: bytes, form: NetworkForm, line: str
) -> None:
    with pytest.raises(SetupError, match=line) as error:
        added(server, store, file, form)
    assert "\n" not in str(error.value)
    assert own_backbones.listed(store) == {}


def test_a_version_has_the_network_and_outlives_its_removal(
    server: RedisServer, store: Path, photos: Path
) -> None:
    backbone = added(server, store, drawn_backbones.file())
    card = trained(server, store, photos)
    assert (card.only_runtime, card.features, card.imported) == ("onnx", FEATURES, IMPORTED)
    assert [look.backbone for look in card.looks] == ["cells"]
    assert card.files["model.onnx"] == backbone.sha256
    assert card.metrics.heldout_accuracy > 0.9
    assert card.images_per_s > 0
    assert handled(server, store, ListBackbones(remove="cells")).answer == Backbones(())
    read = partial(Mirror(server.client).read, card)
    model = load_runtime.fetch(card, read).load()
    images = np.full((3, SIDE, SIDE, 3), 80, np.uint8)
    for number in range(3):
        images[number, ..., 2 - number] += 90
    assert [LABELS[label] for label in model.predict(images).argmax(1)] == [*LABELS]
    Registry(store).check(card)
    with pytest.raises(
        SetupError, match=r"there is no backbone cells; .*see: hangtag backbones li"
    ):
        handled(server, store, Train("other", "photo-head", str(photos), backbone="cells"))


def test_its_features_are_those_of_groups_and_of_the_check_of_class_folders(
    server: RedisServer, store: Path, photos: Path
) -> None:
    added(server, store, drawn_backbones.file())
    reply = handled(server, store, ComputeFeatures(str(photos), "cells"))
    features = decode_features(reply.files[replies.FEATURES_FILE])
    assert (len(features.paths), features.width) == (60, FEATURES)
    checked = handled(server, store, CheckDataset(str(photos), backbone="cells")).answer
    assert isinstance(checked, CheckedDataset)
    assert checked.accuracy > 0.9


def test_a_photo_that_the_network_fails_on_is_left_out_and_named(
    server: RedisServer, store: Path, photos: Path
) -> None:
    added(server, store, drawn_networks.unsure_of_plain())
    Image.new("RGB", (24, 24), (255, 255, 255)).save(photos / "red" / "white.png")
    work = Train("colours", "photo-head", str(photos), backbone="cells")
    answer = handled(server, store, work).answer
    assert isinstance(answer, Trained)
    assert answer.data is not None
    assert (sum(answer.data.training), answer.data.unreadable_count) == (60, 1)
    assert "red/white.png: The network failed on the image" in answer.data.unreadable[0]
    card = Mirror(server.client).resolve(parse(answer.model))
    model = load_runtime.fetch(card, partial(Mirror(server.client).read, card)).load()
    noise = np.random.default_rng(4).integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
    noise[0] = 255
    assert np.isfinite(model.predict(noise)).all(1).tolist() == [False, True]


def test_a_damaged_file_of_a_backbone_is_refused_in_one_line(
    server: RedisServer, store: Path, photos: Path
) -> None:
    added(server, store, drawn_backbones.file())
    (store / ".backbones" / "cells.onnx").write_bytes(b"other")
    with pytest.raises(SetupError, match=r"cells\.onnx is missing or damaged; remove the backbone"):
        trained(server, store, photos)


def test_a_trainer_without_onnxruntime_names_the_line_that_adds_it(
    server: RedisServer, store: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added(server, store, drawn_backbones.file())
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name)
    )
    with pytest.raises(SetupError, match=r"^the trainer on .*: onnxruntime is missing.*\[onnx\]"):
        trained(server, store, photos)
