"""Runtimes: one result per image, equal bits in any batch, and no file that runs code."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from shared import runtimes
from shared.errors import SetupError
from shared.messages.model_card import Card
from shared.registry import packaged
from worker.graphs import convert
from worker.runtimes import load_runtime, runtime
from worker.runtimes.runtime import Classifier, Images, Probabilities
from worker.runtimes.tensorflow_runtime import TensorFlow

#: Two full calls, and a third of two images.
IMAGES = 130
#: Below and around the size of a call.
SIZES = [1, 63, 65]
#: The memory of a worker's child before it has decoded anything; 120 MB is promised with images.
CHILD_MEMORY_MB = 100


@pytest.fixture(scope="module")
def card() -> Card:
    return packaged.card()


@pytest.fixture(scope="module")
def litert(card: Card) -> Classifier:
    return load_runtime.load("litert", card, packaged.read("model.tflite"))


@pytest.fixture(scope="module")
def tensorflow(card: Card) -> Classifier:
    return load_runtime.load("tensorflow", card, packaged.read("model.keras"))


@pytest.fixture(scope="module")
def fp32(card: Card, tensorflow: Classifier) -> Classifier:
    """The packaged network in LiteRT without quantization."""
    assert isinstance(tensorflow, Classifier)
    assert isinstance(tensorflow._graph, TensorFlow)
    frozen = convert.frozen(tensorflow._graph._model)
    return load_runtime.load("litert", card, convert.fp32_file(frozen))


@pytest.fixture(scope="module")
def images(card: Card) -> Images:
    """Noise of every brightness, with black and white images."""
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (IMAGES, *runtime.image_shape(card)))
    return (pixels * np.linspace(0, 1, IMAGES)[:, None, None, None]).astype(np.uint8)


@pytest.fixture(scope="module")
def whole(litert: Classifier, tensorflow: Classifier, images: Images) -> dict[str, Probabilities]:
    """The results of each runtime for all images at once."""
    return {"litert": litert.predict(images), "tensorflow": tensorflow.predict(images)}


@pytest.mark.parametrize("kind", ["litert", "tensorflow"])
@pytest.mark.parametrize("size", SIZES)
def test_an_image_gets_the_same_bits_in_a_batch_of_any_size(
    kind: str,
    size: int,
    images: Images,
    whole: dict[str, Probabilities],
    request: pytest.FixtureRequest,
) -> None:
    loaded: Classifier = request.getfixturevalue(kind)
    for start in {0, IMAGES - size}:
        part = loaded.predict(images[start : start + size])
        assert part.tobytes() == whole[kind][start : start + size].tobytes()


def test_both_runtimes_agree_in_fp32(
    fp32: Classifier, images: Images, whole: dict[str, Probabilities]
) -> None:
    np.testing.assert_allclose(fp32.predict(images), whole["tensorflow"], atol=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        lambda images: images[..., 0],
        lambda images: images[:, :27],
        lambda images: images.astype(np.float32),
        lambda images: np.concatenate([images] * 3, axis=3),
    ],
)
def test_images_of_another_shape_are_refused(
    litert: Classifier, images: Images, change: Callable[[Images], Images]
) -> None:
    with pytest.raises(SetupError, match=r"takes uint8 images \[n, 28, 28, 1\]"):
        litert.predict(change(images))


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\0" * 1000, "cut"])
def test_an_invalid_tflite_file_is_refused_in_one_line(card: Card, data: bytes | str) -> None:
    artifact = packaged.read("model.tflite")[:1000] if isinstance(data, str) else data
    with pytest.raises(SetupError) as error:
        load_runtime.load("litert", card, artifact)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", [b"images\0", b"Identity\0"])
def test_a_tflite_with_undecodable_names_is_refused_in_one_line(card: Card, name: bytes) -> None:
    data = packaged.read("model.tflite")
    assert name in data
    with pytest.raises(SetupError, match=r"cannot be loaded .* publish it again$") as error:
        load_runtime.load("litert", card, data.replace(name, b"\xff" + name[1:]))
    assert str(error.value).isprintable()


@pytest.mark.parametrize("kind", ["litert", "tensorflow"])
def test_a_file_that_does_not_fit_its_card_is_refused(kind: str, card: Card) -> None:
    fewer = msgspec.structs.replace(card, labels=card.labels[1:])
    with pytest.raises(SetupError, match="shapes of its card"):
        load_runtime.load(kind, fewer, packaged.read(runtimes.find(kind).artifact))


@pytest.mark.parametrize("row", runtimes.RUNTIMES.values(), ids=lambda row: row.name)
def test_a_runtime_that_is_not_installed_names_the_command_that_adds_it(
    row: runtimes.RuntimeKind, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == row.module else find(name)
    )
    with pytest.raises(SetupError, match=rf"pip install .*\[{row.extra}\]") as error:
        load_runtime.load(row.name, card, b"")
    assert f"{row.package} is missing" in str(error.value)


def test_a_litert_child_is_small_and_imports_no_tensorflow() -> None:
    program = (
        "import sys, numpy as np\n"
        "from shared.registry import packaged\n"
        "from worker.runtimes import load_runtime, runtime\n"
        "card = packaged.card()\n"
        "loaded = load_runtime.load('litert', card, packaged.read('model.tflite'))\n"
        "loaded.predict(np.zeros((1024, *runtime.image_shape(card)), np.uint8))\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'h5py'} & set(sys.modules)\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "print(int(status['VmHWM'].split()[0]) / 1024, *heavy)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    peak_mb, *heavy = done.stdout.split()
    assert heavy == []
    assert float(peak_mb) < CHILD_MEMORY_MB
