"""A student learns its teachers' function, resumes to the same weights, and names its teachers."""

from __future__ import annotations

from pathlib import Path

import keras
import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from shared.errors import SetupError
from shared.messages.model_card import Card, Preprocessing, card_sha256
from shared.messages.training import Train
from shared.recipes import RECIPES
from shared.registry import packaged
from worker.datasets.examples import Examples
from worker.datasets.load import DataSet
from worker.learners.learner import Task
from worker.learners.network import Network
from worker.runtimes.tensorflow_runtime import load_model
from worker.training import networks
from worker.training.checkpoint import OtherTraining
from worker.training.distillation import Ensemble, Teacher
from worker.training.epoch import Epoch
from worker.training.fit import train
from worker.training.teachers import (
    ARCHIVE,
    Teachers,
    TeacherVersion,
    both_views,
    in_precision,
    logits_of,
    state_of_teacher,
)

#: Keras 3.15 saves with calls that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SHAPE = (6, 8, 1)
EPOCHS = 2
RECIPE = msgspec.structs.replace(
    RECIPES["fast"].lasting(EPOCHS), network="dense", widths=(8,), batch=25, average=0.5
)
LABELS = ("dark", "bright")
SEED = 5


class Killed(Exception):
    """Represents the death of a trainer between two epochs."""


def _examples(count: int = 200) -> Examples:
    """Dark and bright noise, which is easy to distinguish."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, count)
    pixels = rng.integers(0, 100, (count, *SHAPE)) + 155 * labels[:, None, None, None]
    return Examples(pixels.astype(np.uint8), labels)


def _data() -> DataSet:
    return DataSet("noise", LABELS, _examples(), None, Preprocessing(*SHAPE))


def _card(**fields: object) -> Card:
    like = {"labels": LABELS, "preprocessing": Preprocessing(*SHAPE), "temperature": 2.5}
    return msgspec.structs.replace(packaged.card(), **like, **fields)


def _network() -> keras.Model:
    keras.utils.set_random_seed(1)
    return networks.build(RECIPE, SHAPE, len(LABELS))


def _served(network: keras.Model) -> keras.Model:
    """The network as versions that return probabilities have it, with a temperature of 2.5."""
    cooled = keras.layers.Rescaling(1 / 2.5)(network.output)
    return keras.Model(network.input, keras.layers.Softmax()(cooled), name=network.name)


def _archive(network: keras.Model, folder: Path) -> bytes:
    network.save(folder / ARCHIVE)
    return (folder / ARCHIVE).read_bytes()


def _probabilities(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(keras.ops.softmax(logits))


def _accuracy(network: keras.Model, examples: Examples) -> float:
    return float((networks.logits(network, examples.images).argmax(1) == examples.labels).mean())


def test_a_student_learns_its_teachers_function_from_labels_that_say_nothing() -> None:
    examples, long = _examples(), RECIPE.lasting(10)
    teacher = train(long, examples, examples, 2, 1).network
    random = np.random.default_rng(2).integers(0, 2, len(examples.labels))
    without_labels = Examples(examples.images, random)
    alone = train(long, without_labels, examples, 2, 2).network
    teachers = Ensemble((Teacher("one", teacher),))
    student = train(long, without_labels, examples, 2, 2, teachers=teachers).network
    assert _accuracy(alone, examples) < 0.9
    assert _accuracy(student, examples) > 0.98


def _trained(tmp_path: Path | None, die_at: int = 0) -> tuple[list[bytes], int]:
    """The weights of two teachers and their student, and the epochs that were trained.

    `die_at` counts the epochs of all three.
    """
    examples, epochs = _examples(), 0

    def on_epoch(epoch: Epoch) -> None:
        nonlocal epochs
        epochs += 1
        if epochs == die_at:
            raise Killed

    weights = []

    def fit(seed: int, state: Path | None, teachers: Ensemble | None = None) -> keras.Model:
        trained = train(
            RECIPE, examples, examples, 2, seed, state=state, teachers=teachers, on_epoch=on_epoch
        )
        weights.append(b"".join(weight.tobytes() for weight in trained.network.get_weights()))
        return trained.network

    state = tmp_path / "state.npz" if tmp_path else None
    teachers = Teachers(2).ensemble(RECIPE, _data(), SEED, fit, state, lambda number: None)
    fit(SEED, state, teachers)
    return weights, epochs


def test_a_training_resumed_in_any_network_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole, epochs = _trained(None)
    assert epochs == 3 * EPOCHS
    assert len(set(whole)) == 3
    for die_at in (EPOCHS + 1, EPOCHS):  # in the second teacher; then in the student
        with pytest.raises(Killed):
            _trained(tmp_path, die_at)
    assert _trained(tmp_path) == (whole, 1)


def test_a_checkpoint_of_a_student_belongs_to_its_teachers(tmp_path: Path) -> None:
    examples = _examples(30)
    network = _network()
    for name in ("one", "two"):
        teachers = Ensemble((Teacher(name, network),))
        if name == "one":
            train(RECIPE, examples, examples, 2, 1, state=tmp_path / "state", teachers=teachers)
    with pytest.raises(OtherTraining):
        train(RECIPE, examples, examples, 2, 1, state=tmp_path / "state", teachers=teachers)
    with pytest.raises(OtherTraining):
        train(RECIPE, examples, examples, 2, 1, state=tmp_path / "state")


def test_published_teachers_and_trained_ones_teach_together(tmp_path: Path) -> None:
    version = TeacherVersion(_card(version=3), _archive(_served(_network()), tmp_path))
    teachers, announced, seeds = Teachers(2, (version,)), list[int](), list[int]()

    def fit(seed: int, state: Path | None) -> keras.Model:
        seeds.append(seed)
        return _network()

    ensemble = teachers.ensemble(RECIPE, _data(), SEED, fit, None, announced.append)
    assert ensemble is not None
    assert len(ensemble.teachers) == 3
    assert card_sha256(version.card) in ensemble.identity
    assert (announced, seeds) == ([1, 2, 0], [SEED + 1, SEED + 2])
    assert teachers.names(SEED) == ("fashion-mnist@3", "seed 6", "seed 7")


@pytest.mark.parametrize("output", ["logits", "probabilities"])
def test_a_published_teacher_returns_the_logits_before_its_temperature(output: str) -> None:
    network, images = _network(), _examples(20).images
    served = network if output == "logits" else _served(network)
    found = networks.logits(logits_of(served, _card(output=output)), images)
    assert _probabilities(found) == pytest.approx(
        _probabilities(networks.logits(network, images)), abs=1e-5
    )


def test_a_version_teaches_in_the_precision_of_the_training_if_its_recipe_builds_it() -> None:
    recipe, images = RECIPES["tutorial"], _examples(20).images
    keras.utils.set_random_seed(1)
    network = networks.build(recipe, SHAPE, len(LABELS))
    fast = in_precision(network, _card(recipe="tutorial"), networks.MIXED, images)
    assert fast.get_layer("dense_1").compute_dtype == "bfloat16"
    expected = networks.logits(network, images)
    assert networks.logits(fast, images) == pytest.approx(expected, abs=0.05)
    for other in ("imported", "fast", "accurate"):
        assert in_precision(network, _card(recipe=other), networks.MIXED, images) is network
    mirrored = both_views(network)
    assert in_precision(mirrored, _card(recipe="tutorial"), networks.MIXED, images) is mirrored


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": ("dark", "light")}, "has other labels than noise.*--teacher"),
        ({"labels": LABELS[::-1]}, "orders the labels differently"),
        ({"preprocessing": Preprocessing(*SHAPE[:2], 3)}, r"6x8x3.*6x8x1.*--recipe"),
        ({"preprocessing": Preprocessing(*SHAPE, invert=True)}, "inverted.*--recipe"),
    ],
)
def test_a_version_that_does_not_fit_the_data_cannot_teach(
    fields: dict[str, object], message: str
) -> None:
    card = msgspec.structs.replace(_card(), **fields)
    teachers = Teachers(1, (TeacherVersion(card, b"never read"),))
    task = Task(Train("noise", RECIPE.name, "", seed=SEED), RECIPE, teachers=lambda: teachers)
    with pytest.raises(SetupError, match=message) as error:
        Network(task, _data()).build()
    assert "\n" not in str(error.value)


def test_a_teacher_has_its_own_checkpoint_beside_the_students() -> None:
    assert state_of_teacher(Path("work/state.npz"), 2) == Path("work/state-teacher-2.npz")


def test_the_version_that_ships_can_teach_in_the_precision_of_a_training() -> None:
    model = logits_of(load_model(packaged.read(ARCHIVE)), packaged.card())
    images = np.random.default_rng(1).integers(0, 256, (16, *model.input_shape[1:]), np.uint8)
    fast = in_precision(model, packaged.card(), networks.MIXED, images)
    assert fast is not model
    found, expected = (_probabilities(networks.logits(one, images)) for one in (fast, model))
    assert found == pytest.approx(expected, abs=0.1)
    assert (found.argmax(1) == expected.argmax(1)).mean() > 0.8
