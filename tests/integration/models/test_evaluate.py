"""A version is evaluated on labelled images: every figure equals an independent count."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import keras
import msgspec
import numpy as np
import pytest

from shared.errors import SetupError
from shared.labels.class_folders import folder_of
from shared.labels.label_line import LabelLine
from shared.labels.submitted_lines import encode_lines, input_sha256
from shared.messages.replies import Evaluated, Trained
from shared.messages.requests import Evaluate, Import
from shared.registry import learned_lines, packaged
from shared.registry.registry import Registry
from tests.support.images import hostile_keras_archives
from tests.support.images.drawn_folders import CARD, counted, draw
from tests.support.jobs import handler_context
from tests.support.jobs.decided import file_of
from tests.support.servers.redis_server import RedisServer
from worker.requests import evaluate, import_model

#: Some labels, not in the card's order; one is not a valid folder name.
DRAWN = (8, 0, 5)
IMAGES_PER_CLASS = 12


def evaluated(
    server: RedisServer,
    tmp_path: Path,
    data: Path,
    model: str = "fashion-mnist@0",
    pictures: bool = True,
    corrections: Sequence[LabelLine] = (),
) -> tuple[Evaluated, dict[str, bytes]]:
    input = encode_lines(corrections) if corrections else None
    work = Evaluate(model, str(data), plots=pictures, corrections=input_sha256(input))
    context, _ = handler_context.make(server, tmp_path / "store", work, input)
    reply = evaluate.evaluate(context, work)
    assert isinstance(reply.answer, Evaluated)
    return reply.answer, reply.files


def test_all_images_of_a_folder_without_a_test_part_are_counted(
    server: RedisServer, tmp_path: Path
) -> None:
    data = draw(tmp_path / "drawn", DRAWN, IMAGES_PER_CLASS)
    result, files = evaluated(server, tmp_path, data)
    accuracy, pairs = counted(data, DRAWN)
    found = result.evaluation
    assert (result.model, result.split, found.labels) == (CARD.ref, "all", CARD.labels)
    assert found.count == len(DRAWN) * IMAGES_PER_CLASS
    assert found.accuracy == pytest.approx(accuracy)
    confusion = np.array(found.confusion)
    assert {(i, j): confusion[i, j] for i, j in np.argwhere(confusion).tolist()} == pairs
    assert sorted(files) == ["confusion.png", "reliability.png"]
    assert all(data.startswith(b"\x89PNG") for data in files.values())


def test_images_are_measured_by_the_labels_that_any_version_has_learned(
    server: RedisServer, tmp_path: Path
) -> None:
    """Also those of a later version, and without --corrections."""
    right = draw(tmp_path / "drawn", DRAWN, IMAGES_PER_CLASS)
    accuracy, _ = counted(right, DRAWN)
    moved = sorted((right / "Bag").iterdir())[:6]
    registry = Registry(tmp_path / "store")
    files = {name: packaged.read(name) for name in CARD.files}
    shoes = msgspec.structs.replace(CARD, name="shoes")
    registry.publish(shoes, files, who="tester")
    decisions = [
        _corrected(path, label)
        for path, label in zip(moved, ["Bag"] * 5 + ["a label that no version has"], strict=True)
    ]
    gone = msgspec.structs.replace(decisions[0], sha256="0" * 64)
    record = encode_lines([*decisions, gone])
    registry.publish(shoes, files | {learned_lines.FILE: record}, who="tester")
    for path in moved[:5]:  # a wrong folder, which people have corrected
        path.rename(right / folder_of(CARD.labels[DRAWN[1]]) / f"x{path.name}")
    found, _ = evaluated(server, tmp_path, right, "shoes@1", pictures=False)
    assert found.evaluation.accuracy == pytest.approx(accuracy)
    assert found.data.notes[1].startswith("5 images ")
    assert found.data.unreadable_count == 0


def test_corrections_with_labels_that_the_version_lacks_are_left_out_and_counted(
    server: RedisServer, tmp_path: Path
) -> None:
    right = draw(tmp_path / "drawn", DRAWN, IMAGES_PER_CLASS)
    accuracy, _ = counted(right, DRAWN)
    paths = sorted((right / "Bag").iterdir())
    given = [_corrected(path, "Bag") for path in paths[:5]]
    for path in paths[:5]:  # a wrong folder, which people have corrected
        path.rename(right / folder_of(CARD.labels[DRAWN[1]]) / f"x{path.name}")
    given += [_corrected(path, label) for path, label in zip(paths[5:8], "yxx", strict=True)]
    found, _ = evaluated(server, tmp_path, right, pictures=False, corrections=given)
    assert found.evaluation.accuracy == pytest.approx(accuracy)
    assert found.evaluation.count == len(DRAWN) * IMAGES_PER_CLASS
    (note,) = [note for note in found.data.notes if "left out" in note]
    assert note.startswith("3 ")
    assert note.endswith("'x', 'y'")


def _corrected(path: Path, label: str) -> LabelLine:
    return file_of(path.read_bytes(), label)


def test_folders_that_the_model_does_not_know_are_named(
    server: RedisServer, tmp_path: Path
) -> None:
    data = draw(tmp_path / "drawn", DRAWN, 2)
    (data / "Bag").rename(data / "handbag")
    with pytest.raises(SetupError, match="does not know 'handbag'"):
        evaluated(server, tmp_path, data)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_an_import_with_data_is_calibrated_and_evaluated_on_images_set_apart(
    server: RedisServer, tmp_path: Path
) -> None:
    """A later evaluation on the same folder gives the figures of its card."""
    keras.utils.set_random_seed(3)
    data = draw(tmp_path / "drawn", DRAWN, 30)
    layers = keras.layers
    model = keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(3)])
    archive = hostile_keras_archives.saved(model, tmp_path)
    labels = tuple(CARD.labels[number] for number in DRAWN)
    sha256 = hashlib.sha256(archive).hexdigest()
    work = Import("drawn", labels, sha256, "0-1", data=str(data))
    context, _ = handler_context.make(server, tmp_path / "store", work, archive)
    trained = import_model.import_model(context, work).answer
    assert isinstance(trained, Trained)
    card = context.registry.card("drawn", 1)
    metrics = card.metrics
    assert metrics.heldout_count + (metrics.test_count or 0) == len(DRAWN) * 30  # it learned none
    assert 0 < (metrics.test_count or 0) < metrics.heldout_count
    assert card.temperature != 1.0
    assert {"confusion.png", "samples.png", "evaluation.json"} <= set(card.files)
    result, _ = evaluated(server, tmp_path, data, "drawn@1")
    assert (result.split, result.evaluation.count) == ("test", metrics.test_count)
    found = result.evaluation
    assert (found.accuracy, found.loss) == (metrics.test_accuracy, metrics.test_loss)
    report = trained.data
    assert report is not None
    assert sum(report.heldout) == metrics.heldout_count
    np.testing.assert_array_equal(sorted(report.labels), sorted(map(folder_of, labels)))


def test_without_data_a_version_is_evaluated_on_its_training_folder(
    server: RedisServer, tmp_path: Path
) -> None:
    data = draw(tmp_path / "drawn", DRAWN, 4)
    card = msgspec.structs.replace(CARD, name="mine", files={}, dataset="x", source=str(data))
    files = {"model.tflite": packaged.read("model.tflite")}
    Registry(tmp_path / "store").publish(card, files)
    work = Evaluate("mine@1")
    context, _ = handler_context.make(server, tmp_path / "store", work)
    result = evaluate.evaluate(context, work)
    assert isinstance(result.answer, Evaluated)
    assert result.answer.evaluation.count == len(DRAWN) * 4
    assert result.files == {}
    data.rename(tmp_path / "elsewhere")
    with pytest.raises(SetupError, match=rf"{data}, which is not a folder.*--data DIR"):
        evaluate.evaluate(context, work)
