"""Networks of other tools become versions that give the same answers."""

from __future__ import annotations

import hashlib
import importlib.util
import io
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from shared.errors import SetupError
from shared.image_status import Status
from shared.messages.model_card import Card
from shared.messages.model_name import parse
from shared.messages.replies import Trained, Tried
from shared.messages.requests import Calibrate, ImportNetwork, NetworkForm
from shared.registry.mirror_reader import Mirror
from shared.registry.registry import Registry
from tests.support.jobs import handler_context
from tests.support.models import drawn_networks, drawn_tflite
from tests.support.models.drawn_networks import LABELS, Drawn
from tests.support.servers.redis_server import RedisServer
from worker.classify.classify_batch import classified
from worker.classify.process_state import LoadedModel
from worker.requests import calibrate, import_network
from worker.runtimes import load_runtime

SIDE = 16
#: Dark, red, bright, blue.
COLOURS = np.array([[10, 10, 10], [240, 20, 20], [250, 250, 250], [20, 20, 240]], np.uint8)
IMAGES = np.stack([np.broadcast_to(colour, (SIDE, SIDE, 3)) for colour in COLOURS])
PLAIN = NetworkForm(LABELS, "0-1")


def answer(server: RedisServer, store: Path, work: Any, file: bytes | None = None) -> Any:
    """The handler's answer."""
    name = hashlib.sha256(repr(work).encode()).hexdigest()[:8]
    context, _ = handler_context.make(server, store, work, file, name)
    handler: Any = import_network.import_network if file else calibrate.calibrate
    return handler(context, work).answer


def imported(
    server: RedisServer, store: Path, file: bytes, form: NetworkForm, kind: Any = "onnx"
) -> Card:
    """The published version."""
    work = ImportNetwork("mine", kind, hashlib.sha256(file).hexdigest(), form)
    trained = answer(server, store, work, file)
    assert isinstance(trained, Trained)
    return Mirror(server.client).resolve(parse(trained.model))


def served(server: RedisServer, card: Card, images: np.ndarray) -> np.ndarray:
    """The answers of a worker that reads the version from Redis alone."""
    read = partial(Mirror(server.client).read, card)
    return load_runtime.fetch(card, read).load().predict(images)


def expected(images: np.ndarray) -> np.ndarray:
    means = images.reshape(len(images), -1, 3).mean(1) / 255
    return np.stack([drawn_networks.probabilities(mean) for mean in means])


def pictures(folder: Path, count: int) -> Path:
    """Images of colours that chance draws, by the label of which the network is surest."""
    rng, counts = np.random.default_rng(3), dict.fromkeys(LABELS, 0)
    for label in LABELS:
        (folder / label).mkdir(parents=True)
    while min(counts.values()) < count:
        pixels = np.broadcast_to(rng.integers(0, 256, 3).astype(np.uint8), (SIDE, SIDE, 3))
        label = LABELS[expected(pixels[None])[0].argmax()]
        if counts[label] < count:
            Image.fromarray(pixels).save(folder / label / f"{counts[label]}.png")
            counts[label] += 1
    return folder


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        (drawn_networks.ultralytics(), NetworkForm()),
        (drawn_networks.timm(), msgspec.structs.replace(
            PLAIN, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))),
        (Drawn(batch=1), PLAIN),
        (Drawn(batch=4, layout="nhwc", is_softmax=True), PLAIN),
        (Drawn(dynamic_size=True), msgspec.structs.replace(PLAIN, size=SIDE)),
        (Drawn(is_square=True), PLAIN),
        (Drawn(takes_uint8=True), NetworkForm(LABELS)),
        (Drawn(is_bgr=True, factor=255), NetworkForm(LABELS, "0-255", channels="bgr")),
    ],
    ids=["ultralytics", "timm", "fixed", "nhwc", "any size", "1x1", "uint8", "bgr"],
)  # fmt: skip
def test_the_answers_of_a_network_are_served_unchanged(
    server: RedisServer, tmp_path: Path, kind: Drawn, form: NetworkForm
) -> None:
    card = imported(server, tmp_path, drawn_networks.file(kind), form)
    images = np.random.default_rng(1).integers(0, 256, (1000, SIDE, SIDE, 3), np.uint8)
    images[:4] = IMAGES
    images[4:] = images[4:] // 8 + np.random.default_rng(2).integers(0, 224, (996, 1, 1, 3))
    found = served(server, card, images)
    np.testing.assert_allclose(found, expected(images), atol=1e-4)
    assert (card.labels, card.recipe, card.is_calibrated) == (LABELS, "imported", False)
    assert card.operating_points == ()


@pytest.mark.parametrize("is_quantized", [False, True])
def test_a_file_of_teachable_machine_has_its_labels_inside_or_beside(
    server: RedisServer, tmp_path: Path, is_quantized: bool
) -> None:
    data = drawn_tflite.file(is_quantized)
    scale: Any = "" if is_quantized else "-1-1"
    inside = imported(
        server, tmp_path, drawn_tflite.with_labels(data), NetworkForm(scale=scale), "tflite"
    )
    beside = imported(server, tmp_path, data, NetworkForm(LABELS, scale), "tflite")
    for card in (inside, beside):
        found = served(server, card, IMAGES)
        np.testing.assert_allclose(found, expected(IMAGES), atol=0.03 if is_quantized else 1e-4)
        assert card.labels == LABELS


@pytest.mark.parametrize(
    ("kind", "form", "line"),
    [
        (Drawn(), NetworkForm(), "does not say the labels .*, nor the range of its input's values"),
        (Drawn(), NetworkForm(LABELS), r"the range .*--scale 0-255, 0-1 or -1-1.*--check FOLDER$"),
        (Drawn(dynamic_size=True), PLAIN, "does not say the size of its images"),
        (Drawn(), NetworkForm(LABELS[:3], "0-1"), "returns 4 values, and there are 3 labels"),
        (Drawn(), NetworkForm((*LABELS[:3], "red"), "0-1"), "the label 'red' is there twice"),
        (Drawn(size=3), PLAIN, "give --layout nchw or --layout nhwc"),
        (Drawn(), msgspec.structs.replace(PLAIN, layout="nhwc"), "which is not nhwc"),
        (Drawn(), msgspec.structs.replace(PLAIN, size=99), "16x16; leave --size out"),
        (Drawn(), msgspec.structs.replace(PLAIN, std=(0.0, 1, 1)), "the deviations above 0"),
        (Drawn(), msgspec.structs.replace(PLAIN, mean=(0.5,)), "need 3 finite numbers each"),
        (Drawn(), msgspec.structs.replace(PLAIN, output="probabilities"), "leave --output out"),
        (drawn_networks.ultralytics(), NetworkForm(scale="-1-1"), "0-1; leave --scale out"),
        (drawn_networks.ultralytics({1: "a", 2: "b"}), NetworkForm(), "not numbered from 0"),
        (Drawn(takes_uint8=True), NetworkForm(LABELS, std=(1, 1, 1)), "leave --mean and --std"),
    ],
)  # fmt: skip
def test_what_neither_the_file_nor_an_option_says_is_asked_for_in_one_line(
    server: RedisServer, tmp_path: Path, kind: Drawn, form: NetworkForm, line: str
) -> None:
    with pytest.raises(SetupError, match=line) as error:
        imported(server, tmp_path, drawn_networks.file(kind), form)
    assert "\n" not in str(error.value)
    assert Registry(tmp_path).versions("mine") == []


@pytest.mark.parametrize(
    ("kind", "best"),
    [
        (Drawn(), NetworkForm((), "0-1")),
        (Drawn(factor=2, offset=-1), NetworkForm((), "-1-1")),
        (Drawn(factor=255, is_bgr=True), NetworkForm((), "0-255", channels="bgr")),
        (drawn_networks.timm(), NetworkForm(
            (), "0-1", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))),
        (Drawn(is_softmax=True), NetworkForm((), "0-1")),
        (Drawn(is_softmax=True, is_hidden=True), NetworkForm((), "0-1", output="probabilities")),
    ],
)  # fmt: skip
def test_labelled_images_find_the_form_of_a_network_and_nothing_is_published(
    server: RedisServer, tmp_path: Path, kind: Drawn, best: NetworkForm
) -> None:
    file, folder = drawn_networks.file(kind), pictures(tmp_path / "some", 25)
    work = ImportNetwork(
        "mine", "onnx", hashlib.sha256(file).hexdigest(), NetworkForm(LABELS), data=str(folder)
    )
    tried = answer(server, tmp_path / "store", work, file)
    assert isinstance(tried, Tried)
    first = tried.forms[0]
    assert first.form == msgspec.structs.replace(best, labels=LABELS)
    assert (tried.images, first.accuracy) == (100, 1.0)
    assert tried.forms[-1].accuracy < 0.7
    assert Registry(tmp_path / "store").versions("mine") == []


def test_a_picture_that_a_network_lacks_memory_for_ends_the_trial_in_one_line(
    server: RedisServer, tmp_path: Path
) -> None:
    file, folder = drawn_networks.large_for_white(), pictures(tmp_path / "some", 5)
    white = np.full((SIDE, SIDE, 3), 255, np.uint8)
    (next(folder.iterdir()) / "white.png").write_bytes(encoded(white))
    sha256 = hashlib.sha256(file).hexdigest()
    work = ImportNetwork("mine", "onnx", sha256, PLAIN, data=str(folder))
    with pytest.raises(SetupError, match=r"^the network has no answer for an image "):
        answer(server, tmp_path / "store", work, file)


def test_only_forms_that_the_file_and_the_options_allow_are_tried_and_suggested(
    server: RedisServer, tmp_path: Path
) -> None:
    folder = pictures(tmp_path / "some", 5)

    def forms(kind: Drawn, form: NetworkForm) -> list[NetworkForm]:
        file = drawn_networks.file(kind)
        sha256 = hashlib.sha256(file).hexdigest()
        work = ImportNetwork("mine", "onnx", sha256, form, data=str(folder))
        tried = answer(server, tmp_path / "store", work, file)
        return [one.form for one in tried.forms]

    said = forms(drawn_networks.ultralytics(), NetworkForm())
    assert {one.scale for one in said} == {"0-1"}
    hidden = msgspec.structs.replace(PLAIN, output="probabilities")
    for one in forms(Drawn(is_softmax=True, is_hidden=True), hidden):
        assert one.output == "probabilities"
    for one in forms(Drawn(is_softmax=True), msgspec.structs.replace(PLAIN, output="logits")):
        assert one.output == ""  # probabilities, as the file says


def test_a_trainer_without_the_packages_of_onnx_names_the_line_that_adds_them(
    server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnx" else find(name)
    )
    with pytest.raises(SetupError, match=r"^the trainer on .*: onnx is missing.*\[onnx\]"):
        imported(server, tmp_path, drawn_networks.file(Drawn()), PLAIN)


def test_a_calibrated_version_has_the_same_files_and_replaces_the_other(
    server: RedisServer, tmp_path: Path
) -> None:
    store, folder = tmp_path / "store", pictures(tmp_path / "more", 30)
    old = imported(server, store, drawn_networks.file(Drawn()), PLAIN)
    trained = answer(server, store, Calibrate("mine", str(folder)))
    new = Mirror(server.client).resolve(parse("mine"))
    assert (trained.model, new.ref, trained.decision.changed) == ("mine@2", "mine@2", True)
    assert {name: new.files[name] for name in old.files} == old.files
    assert new.is_calibrated
    assert (new.metrics.heldout_count, new.metrics.test_count) == (100, 20)
    assert (new.metrics.heldout_accuracy, new.metrics.test_accuracy) == (1.0, 1.0)
    assert len(new.operating_points) == 4
    assert new.temperature != 1.0
    assert (served(server, new, IMAGES).argmax(1) == served(server, old, IMAGES).argmax(1)).all()
    assert "calibrated on 100 images" in new.notes


def test_a_picture_that_the_network_has_no_answer_for_costs_a_row(
    server: RedisServer, tmp_path: Path
) -> None:
    card = imported(server, tmp_path, drawn_networks.unsure_of_plain(), PLAIN)
    noise = np.random.default_rng(4).integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
    files = [
        encoded(image) for image in (noise[0], IMAGES[0], np.full_like(noise[0], 255), noise[1])
    ]
    read = partial(Mirror(server.client).read, card)
    model = load_runtime.fetch(card, read).load()
    found = classified(LoadedModel(card, model), files, 1)
    bad = Status.NO_ANSWER.code
    assert found.statuses == bytes([0, bad, bad, 0])
    values = np.frombuffer(found.probabilities, "<f4")
    assert np.isfinite(values).all()
    assert (values > 0).tolist() == [True, False, False, True]
    folder = pictures(tmp_path / "pictures", 10)
    (folder / "dark" / "0.png").write_bytes(files[1])
    with pytest.raises(SetupError, match="has no answer for 1 of 35 images"):
        answer(server, tmp_path, Calibrate("mine@1", str(folder)))
    assert Registry(tmp_path).versions("mine") == [1]


def test_a_picture_for_which_a_network_lacks_memory_costs_a_row(
    server: RedisServer, tmp_path: Path
) -> None:
    card = imported(server, tmp_path, drawn_networks.large_for_white(), PLAIN)
    noise = np.random.default_rng(4).integers(0, 255, (2, SIDE, SIDE, 3), np.uint8)
    files = [encoded(image) for image in (noise[0], np.full_like(noise[0], 255), noise[1])]
    model = load_runtime.fetch(card, partial(Mirror(server.client).read, card)).load()
    statuses = classified(LoadedModel(card, model), files, 1).statuses
    assert statuses == bytes([0, Status.NO_ANSWER.code, 0])


def encoded(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()
