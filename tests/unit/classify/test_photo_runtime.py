"""Versions of photos: the same bits in every batch, one backbone a process, hostile files."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from PIL import Image

from shared import runtimes
from shared.errors import BadMessage, SetupError
from shared.messages.model_card import Card, decode_card, encode_card
from shared.registry import packaged
from tests.support.jobs import photo_versions
from tests.support.jobs.photo_versions import LABELS, LITE0
from worker.backbones import backbone_table
from worker.classify.classify_batch import classify_images
from worker.classify.process_state import LoadedModel
from worker.runtimes import heads, load_runtime
from worker.runtimes.heads import Head
from worker.runtimes.runtime import Classifier
from worker.runtimes.tflite_network import FeatureGraph

SIDE = LITE0.size_pixels
IMAGES = np.random.default_rng(6).integers(0, 256, (5, SIDE, SIDE, 3), np.uint8)


@pytest.fixture(scope="module")
def card() -> Card:
    return photo_versions.card()


def _load(card: Card, head: Head | bytes) -> Classifier:
    data = head if isinstance(head, bytes) else heads.encode([head])
    return load_runtime.load("photo", card, data, [photo_versions.backbone()])


def test_an_image_has_the_same_bits_in_batches_of_any_size(card: Card) -> None:
    model = _load(card, photo_versions.head())
    whole = model.outputs(IMAGES)
    assert whole.features is not None
    for count in (1, 2, 3):
        part = model.outputs(IMAGES[:count])
        assert part.features is not None
        assert part.logits.tobytes() == whole.logits[:count].tobytes()
        assert part.features.tobytes() == whole.features[:count].tobytes()


def test_a_message_of_many_photos_is_answered_in_the_memory_of_some(card: Card) -> None:
    file, count = io.BytesIO(), 100
    Image.fromarray(IMAGES[0]).save(file, "PNG")
    model = LoadedModel(card, _load(card, photo_versions.head()))
    classify_images(model, [file.getvalue()], 1)
    tracemalloc.start()
    found = classify_images(model, count * [file.getvalue()], 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.check(count).failed == 0
    assert peak < 8 << 20
    assert count * IMAGES[0].nbytes > 14 << 20


def test_the_head_is_applied_to_the_features_of_the_backbone(card: Card) -> None:
    head, graph = photo_versions.head(), FeatureGraph(photo_versions.backbone())
    features = np.stack([graph.run(image) for image in IMAGES]).astype(np.float64)
    expected = features @ head.weights.astype(np.float64) + head.bias
    found = _load(card, head).outputs(IMAGES).logits
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_an_unsure_image_is_answered_by_the_mean_of_both_looks(card: Card) -> None:
    lite2 = backbone_table.BACKBONES["efficientnet-lite2"]
    pair = [photo_versions.head(), photo_versions.head(2, lite2)]
    images = np.random.default_rng(7).integers(0, 256, (12, 260, 260, 3), np.uint8)
    small = [
        Image.fromarray(image).resize((224, 224), Image.Resampling.BILINEAR) for image in images
    ]
    looks = []
    for head, row, frames in ((pair[0], LITE0, map(np.asarray, small)), (pair[1], lite2, images)):
        graph = FeatureGraph(packaged.backbone(row.file, row.sha256))
        features = np.stack([graph.run(frame) for frame in frames]).astype(np.float64)
        looks.append(features @ head.weights.astype(np.float64) + head.bias)
    gaps = np.sort(looks[0], axis=1)[:, -1] - np.sort(looks[0], axis=1)[:, -2]
    margin = float(np.sort(gaps)[4] + np.sort(gaps)[5]) / 2
    expected = np.where((gaps < margin)[:, None], (looks[0] + looks[1]) / 2, looks[0])
    card = msgspec.structs.replace(
        card, preprocessing=backbone_table.SPEC, looks=(LITE0.look, lite2.look),
        second_pass_margin=margin,
    )  # fmt: skip
    files = photo_versions.files(pair)
    model = load_runtime.fetch(card, files.__getitem__).load()
    found = model.logits(images)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    apart = [model.logits(image[None]).tobytes() for image in images]
    assert b"".join(apart) == found.tobytes()


def test_photos_have_no_runtime_of_gpus(card: Card) -> None:
    with pytest.raises(SetupError, match="runs on processors only, not with tensorflow; leave --"):
        load_runtime.fetch(card, lambda name: b"", runtimes.TENSORFLOW.name)


def _renamed(data: bytes, **names: bytes) -> bytes:
    """The file with other members, or without those that are empty."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(file, "w") as target:
        for name in source.namelist():
            content = names.get(name.removesuffix(".npy"), source.read(name))
            if content:
                target.writestr(name, content)
    return file.getvalue()


def _array(values: np.ndarray, **saved: bool) -> bytes:
    file = io.BytesIO()
    np.save(file, values, **saved)
    return file.getvalue()


def _endless(shape: tuple[int, ...]) -> bytes:
    """A header that promises more than any memory holds."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    return file.getvalue()


def _members(count: int) -> bytes:
    """Another archive of this many empty members; readers take the last one."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number}.npy", b"")
    return file.getvalue()


FEATURES, CLASSES = LITE0.features, len(LABELS)
BIAS = np.zeros(CLASSES, np.float32)
HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "no zip": lambda data: b"no zip",
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "with 20,000 members": lambda data: _renamed(data) + _members(20_000),
    "no bias": lambda data: _renamed(data, bias_1=b""),
    "pickled": lambda data: _renamed(data, bias_1=_array(np.array([{}] * CLASSES, object))),
    "doubles": lambda data: _renamed(data, bias_1=_array(BIAS.astype(np.float64))),
    "big endian": lambda data: _renamed(data, bias_1=_array(BIAS.astype(">f4"))),
    "fewer": lambda data: _renamed(data, bias_1=_array(BIAS[1:])),
    "of another form": lambda data: _renamed(data, bias_1=_array(BIAS[:, None])),
    "not finite": lambda data: _renamed(data, bias_1=_array(BIAS / 0)),
    "terabytes": lambda data: _renamed(data, weights_1=_endless((1 << 40, CLASSES))),
    "without values": lambda data: _renamed(data, weights_1=_endless((FEATURES, CLASSES))),
    "with more values": lambda data: _renamed(data, bias_1=_array(BIAS) + b"more"),
    "no header": lambda data: _renamed(data, bias_1=b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16),
    "code": lambda data: _renamed(
        data, bias_1=b"\x93NUMPY\x01\x00\x20\x00" + b"__import__('os').system('false')"
    ),
}


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("damage", HOSTILE.values(), ids=HOSTILE)
def test_a_damaged_or_hostile_head_is_refused_in_one_line(
    damage: Callable[[bytes], bytes], card: Card
) -> None:
    data = damage(heads.encode([photo_versions.head()]))
    _load(card, photo_versions.head())
    tracemalloc.start()
    try:
        with pytest.raises(SetupError, match=r"^shapes@0 cannot be loaded \(") as found:
            _load(card, data)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("backbone", [b"", b"TFL3" * 100, b"\x1c\x00\x00\x00TFL3" + bytes(200)])
def test_a_damaged_backbone_is_refused_in_one_line(backbone: bytes, card: Card) -> None:
    with pytest.raises(SetupError, match="cannot be loaded"):
        load_runtime.load("photo", card, heads.encode([photo_versions.head()]), [backbone])


@pytest.mark.parametrize("change", [{"file": "../../secret"}, {"size_pixels": 0}])
def test_a_card_with_a_look_out_of_range_is_refused(change: dict[str, object], card: Card) -> None:
    [look] = card.looks
    wrong = msgspec.structs.replace(card, looks=(msgspec.structs.replace(look, **change),))
    with pytest.raises(BadMessage, match="looks is out of range"):
        decode_card(encode_card(wrong))
    assert decode_card(encode_card(card)) == card
