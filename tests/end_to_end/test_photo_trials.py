"""After a head, whole networks are tried: each learns without one fold and is measured on it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import numpy as np
import pytest

from shared import recipes, runtimes
from shared.messages.model_card import Card
from shared.messages.replies import Trained
from shared.messages.training import Train
from shared.registry.registry import Registry
from tests.support.backbones import converted, short_backbone
from tests.support.images import shapes
from tests.support.jobs import handler_context
from tests.support.servers.redis_server import RedisServer
from worker.backbones import backbone_table
from worker.decoding.decode import decode
from worker.evaluation import heldout_answers, seen_images
from worker.evaluation.heldout_answers import HeldoutAnswers
from worker.evaluation.metrics import SMALLEST_PROBABILITY
from worker.export.several_networks import Part, downscaled
from worker.handlers.train import train
from worker.inference import outlier_detector
from worker.learners import resized_head
from worker.learners.learner import Task
from worker.runtimes import load_runtime
from worker.runtimes.classifier import probabilities
from worker.runtimes.runtime import Outputs, image_shape

#: Keras 3.15 saves models with a function that NumPy 2 deprecates.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.nightly,
]
IMAGES_OF_CLASS = 14
#: Of the short backbone.
STAGES = 2
LARGE, *TRIALS, TOGETHER = "photo-head-large", "photo-fine", "photo-scratch", "photo-together"
#: The trials between the first and the last leave a fold out.
SINGLE = ("photo-head", LARGE, *TRIALS)
RECIPES = (*SINGLE, TOGETHER)
SIDES_PIXELS = {LARGE: 96, SINGLE[0]: 64}  #: of the short backbones
#: After one, nothing is known yet; with the short backbone no test looks at what is.
EPOCHS = {"whole": 2, "short": 1}
#: The backbone that ships takes a minute; only its features suffice for so few photos.
WHOLE, SHORT = pytest.param("whole", marks=pytest.mark.nightly), "short"
#: One is limited, so that its pace is measured; no test of the suite reaches the limit.
MINUTES = {"photo-fine": 60.0, "photo-scratch": 0.0}
#: An export to int8 takes as long as the training.
PRECISIONS: dict[str, Literal["auto", "fp32"]] = {"whole": "auto", SHORT: "fp32"}


class Store(NamedTuple):
    """A store with a head (version 1) and both trials of its photos."""

    server: RedisServer
    root: Path
    registry: Registry
    answers: dict[str, Trained]

    def card(self, recipe: str) -> Card:
        number = int(self.answers[recipe].model.rpartition("@")[2])
        return self.registry.card("shapes", number)

    def record(self, recipe: str) -> HeldoutAnswers:
        found = heldout_answers.read(self.registry, self.card(recipe))
        assert found is not None
        return found


@pytest.fixture(scope="module", params=[SHORT, WHOLE])
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, server_binary: Path
) -> Iterator[Store]:
    root = tmp_path_factory.mktemp("photos")
    for shape in shapes.CORNERS:
        shapes.write(root, shape, IMAGES_OF_CLASS)
    folder = tmp_path_factory.mktemp("store")
    with contextlib.ExitStack() as stack:
        if request.param == SHORT:
            for recipe, side_pixels in SIDES_PIXELS.items():  # trials are as large as the last one
                name = recipes.find(recipe).backbone
                short = short_backbone.in_table(folder, STAGES, side_pixels, name)
                converted.put(stack.enter_context(short), folder)
            converted.put(backbone_table.find(name).at(SIDES_PIXELS[LARGE]), folder)
        server = stack.enter_context(RedisServer(server_binary))
        answers = {
            recipe: _trained(server, folder, recipe, str(root), request.param) for recipe in RECIPES
        }
        yield Store(server, root, Registry(folder), answers)


def _trained(server: RedisServer, folder: Path, recipe: str, root: str, size: str) -> Trained:
    work = Train("shapes", recipe, root, precision=PRECISIONS[size])
    if recipe in TRIALS:
        work = msgspec.structs.replace(work, epochs=EPOCHS[size], minutes=MINUTES[recipe])
    if recipe != RECIPES[0]:
        work = msgspec.structs.replace(work, promote="if-clearly-better")
    context, _ = handler_context.make(server, folder, work, request_id=recipe)
    answer = train(context, work).answer
    assert isinstance(answer, Trained)
    return answer


@pytest.mark.parametrize("recipe", TRIALS)
def test_a_trial_is_measured_on_photos_that_it_did_not_learn_from(
    store: Store, recipe: str
) -> None:
    card, record = store.card(recipe), store.record(recipe)
    seen = seen_images.read(store.registry, card)
    assert seen is not None
    assert not set(record.images.tolist()) & set(seen.learned.tolist())
    assert card.metrics.heldout_count == len(record.labels) < 3 * IMAGES_OF_CLASS / 2
    assert len(seen.learned) + len(seen.held_out) == 3 * IMAGES_OF_CLASS
    assert str(card.metrics.heldout_count) in card.notes


def test_a_head_on_a_larger_network_is_compared_on_every_photo(store: Store) -> None:
    head, large = store.card("photo-head"), store.card(LARGE)
    assert head.pretrained is not None
    assert large.pretrained is not None
    assert head.pretrained.name != large.pretrained.name
    assert large.folds == head.folds > 0
    assert f"on the {head.metrics.heldout_count} held-out" in store.answers[LARGE].decision.why


@pytest.mark.parametrize("recipe", TRIALS)
def test_a_trial_is_compared_with_the_head_on_its_fold(store: Store, recipe: str) -> None:
    head, record = store.record("photo-head"), store.record(recipe)
    assert head.files is not None
    assert record.files is not None
    known = {bytes(digest) for digest in head.files}
    assert {bytes(digest) for digest in record.files} <= known
    why = store.answers[recipe].decision.why
    assert f"on the {len(record.labels)} held-out images" in why
    assert "more than one standard error" in why


def test_a_version_of_several_networks_returns_the_mean_of_their_probabilities(
    store: Store,
) -> None:
    card, photos = store.card(TOGETHER), sorted(store.root.rglob("*.*"))
    assert {network.recipe for network in card.networks} == set(SINGLE)
    assert (
        image_shape(store.card("photo-head")) < image_shape(card) == image_shape(store.card(LARGE))
    )
    weights = {network.version: network.weight for network in card.networks if network.weight}
    assert len(weights) > 1
    assert sum(weights.values()) == pytest.approx(1)
    images = np.stack([decode(path.read_bytes(), card.preprocessing) for path in photos])
    mean = np.full((len(images), len(card.labels)), SMALLEST_PROBABILITY)
    for version, weight in weights.items():
        part = _in_mean(store, store.registry.card("shapes", version), card)
        small = downscaled(images, image_shape(part.card))
        logits = load_runtime.load_default(part.card, part.files).logits(small)
        mean += weight * probabilities(logits, part.card.temperature)
    found = _outputs(store, card, list(images))
    np.testing.assert_allclose(
        probabilities(found.logits, card.temperature),
        probabilities(np.log(mean), card.temperature),
        atol=1e-4,
    )
    assert (found.features is not None) == (outlier_detector.FILE in card.files)


def test_a_version_of_several_networks_is_measured_on_what_its_networks_hold_out(
    store: Store,
) -> None:
    card, record = store.card(TOGETHER), store.record(TOGETHER)
    parts = [store.record(one.recipe) for one in card.networks if one.weight]
    held = [set(map(bytes, one.files)) for one in parts if one.files is not None]
    assert record.files is not None
    assert set(map(bytes, record.files)) == set.intersection(*held)
    head = next(one for one in card.networks if one.recipe == "photo-head")
    if len(record.labels) == len(store.record("photo-head").labels):
        assert head.accuracy == pytest.approx(store.card("photo-head").metrics.heldout_accuracy)
    assert card.metrics.heldout_count == len(record.labels)
    accuracy = float((record.logits.argmax(1) == record.labels).mean())
    assert card.metrics.heldout_accuracy == pytest.approx(accuracy)
    assert card.images_per_s > 0
    assert card.memory_bytes > 0
    assert all(network.images_per_s > 0 for network in card.networks)


def test_both_trials_hold_out_the_same_photos(store: Store) -> None:
    fine, scratch = (store.record(recipe).files for recipe in TRIALS)
    assert fine is not None
    assert scratch is not None
    np.testing.assert_array_equal(fine, scratch)


@pytest.mark.parametrize("store", [WHOLE], indirect=True)
def test_fine_tuning_starts_from_the_head_that_fits_the_photos(store: Store) -> None:
    """Two epochs are enough; a network that had to learn its head again would know nothing."""
    assert store.card("photo-fine").metrics.heldout_accuracy > 0.8


def test_the_card_of_a_fine_tuned_network_names_what_it_contains(store: Store) -> None:
    fine, scratch = (store.card(recipe).pretrained for recipe in TRIALS)
    assert fine == store.card("photo-head").pretrained
    assert scratch is None


@pytest.mark.parametrize("store", [WHOLE], indirect=True)
def test_a_fine_tuned_network_loses_nothing_in_int8(store: Store) -> None:
    trial = store.card("photo-fine").precision_trial
    assert trial is not None
    assert trial.differ < 0.2
    assert abs(trial.int8_loss - trial.fp32_loss) < 0.1


@pytest.mark.parametrize("recipe", TRIALS)
def test_a_trial_with_few_photos_held_out_detects_nothing_and_says_so(
    store: Store, recipe: str
) -> None:
    card = store.card(recipe)
    assert card.metrics.heldout_count < 40
    assert outlier_detector.FILE not in card.files
    assert "No image is flagged unlike_training" in card.notes


def test_a_head_detects_images_unlike_its_photos(store: Store) -> None:
    card = store.card("photo-head")
    detector = outlier_detector.decode(
        store.registry.read(card, outlier_detector.FILE), card.features
    )
    photos = [path.read_bytes() for path in sorted(store.root.rglob("*.*"))]
    like = _outputs(store, card, [decode(data, card.preprocessing) for data in photos])
    rng = np.random.default_rng(1)
    shape = (card.preprocessing.height, card.preprocessing.width, 3)
    noise = _outputs(store, card, [rng.integers(0, 256, shape, np.uint8) for _ in range(10)])
    assert like.features is not None
    assert noise.features is not None
    assert detector.are_outliers(noise.features).all()
    assert detector.are_outliers(like.features).mean() < 0.2


def _in_mean(store: Store, part: Card, whole: Card) -> Part:
    """What the version of several networks contains of another one: no head for smaller images."""
    size = image_shape(whole)
    if part.folds and image_shape(part) != size:
        work = Train("shapes", part.recipe, str(store.root))
        task = Task(work, recipes.find(part.recipe), store=store.registry.root)
        return resized_head.resized(task, part, size[0]).part
    return Part(part, {name: store.registry.read(part, name) for name in part.files})


def _outputs(store: Store, card: Card, images: list[np.ndarray]) -> Outputs:
    data = store.registry.read(card, runtimes.find("litert").artifact)
    return load_runtime.load("litert", card, data).outputs(np.stack(images))
