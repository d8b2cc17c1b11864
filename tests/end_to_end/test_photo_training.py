"""A folder of a few photos becomes a model in seconds, by a head on a pretrained backbone."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from shared.errors import Exit
from shared.messages.model_card import Card
from shared.messages.training import Train
from shared.registry import mirror_writer
from tests.support.images import shapes
from tests.support.jobs import expected_table, photo_versions
from tests.support.jobs.claims import catch
from tests.support.jobs.photo_training import Training, train_shapes
from tests.support.jobs.version_swaps import Swaps
from tests.support.processes import in_process
from tests.support.processes.fleet import SHORT_TIMES, Fleet
from tests.support.servers.redis_server import RedisServer
from worker.datasets.examples import content_hashes
from worker.decoding.decode import decode
from worker.evaluation import heldout_answers
from worker.evaluation.metrics import score
from worker.heads.near_duplicates import FOLDS_OF_FEW
from worker.runtimes.runtime import probabilities

IMAGES_OF_CLASS = 12
NEW_IMAGES = 5
BROKEN = "circle/broken.jpg"
COPY = ("square/001.png", "square/more.png")
#: Images of a message: the jobs here have seven.
MESSAGE_IMAGES = 8
#: By which about half of the images are looked at twice, of drawn heads.
MARGIN = 20.0


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory, server_binary: Path) -> Iterator[Training]:
    root = tmp_path_factory.mktemp("photos")
    for shape in shapes.CORNERS:
        shapes.write(root, shape, IMAGES_OF_CLASS)
    (root / BROKEN).write_bytes(b"\xff\xd8\xff no photo")
    shutil.copy(root / COPY[0], root / COPY[1])
    store = tmp_path_factory.mktemp("store")
    with RedisServer(server_binary) as server:
        yield train_shapes(server, root, store)


def test_it_is_published_and_measured_on_all_its_photos(training: Training) -> None:
    card, count = training.card, 3 * IMAGES_OF_CLASS + 1
    assert training.trained.model == "shapes@1"
    assert training.registry.aliases("shapes") == {"production": 1}
    assert card.metrics.heldout_count == count
    assert card.metrics.heldout_accuracy > 0.9
    assert card.metrics.test_accuracy is None
    assert 0 <= card.heldout_error < 0.06
    assert card.folds == FOLDS_OF_FEW
    assert {"confusion.png", "samples.png", "mistakes.png", "operating_points.png"} <= set(
        card.files
    )


def test_its_card_names_its_backbones_which_are_files_of_the_version(training: Training) -> None:
    look = training.card.looks[0]
    sha256 = training.card.files[look.file]
    assert (look.backbone, sha256) == (training.backbone.name, training.backbone.sha256)
    assert (look.size_pixels, look.licence) == (224, "Apache-2.0")
    assert "model.tflite" not in training.card.files
    files = training.registry.root.rglob("*.tflite")
    assert sorted(path.name for path in files) == sorted(look.file for look in training.card.looks)
    training.registry.check(training.card)


def test_its_figures_are_those_of_its_record(training: Training) -> None:
    record = heldout_answers.read(training.registry, training.card)
    assert record is not None
    assert record.files is not None
    assert len(np.unique(record.files, axis=0)) == 3 * IMAGES_OF_CLASS
    found = score(probabilities(record.logits, training.card.temperature), record.labels)
    metrics = training.card.metrics
    assert (found.accuracy, found.loss, found.ece) == (
        metrics.heldout_accuracy,
        metrics.heldout_loss,
        metrics.heldout_ece,
    )


def test_its_answers_are_not_those_of_a_head_that_knew_the_photos(training: Training) -> None:
    """The published head learned from all; its answers to them are surer than those out of fold."""
    record = heldout_answers.read(training.registry, training.card)
    assert record is not None
    images, labels = _photos(training)
    known = training.model().logits(images)
    np.testing.assert_array_equal(np.sort(labels), np.sort(record.labels))
    assert _margin(known, labels) > 1.02 * _margin(record.logits, record.labels)


def _margin(logits: np.ndarray, labels: np.ndarray) -> float:
    """By how much the logits of the labels exceed the largest others, on average."""
    given = np.eye(logits.shape[1], dtype=bool)[labels]
    return float((logits[given] - np.where(given, -np.inf, logits).max(1)).mean())


def test_it_classifies_new_images(training: Training) -> None:
    for number, shape in enumerate(training.card.labels):
        encoded = [shapes.encoded(shapes.draw(shape, 5000 + n), "PNG") for n in range(NEW_IMAGES)]
        images = np.stack([decode(data, training.card.preprocessing) for data in encoded])
        predicted = training.model().predict(images).argmax(1)
        assert np.count_nonzero(predicted == number) >= NEW_IMAGES - 1


def test_the_report_names_unreadable_files_and_near_duplicates(training: Training) -> None:
    report = training.trained.data
    assert report is not None
    assert [line.partition(":")[0] for line in report.unreadable] == [BROKEN]
    assert report.training == (IMAGES_OF_CLASS, IMAGES_OF_CLASS + 1, IMAGES_OF_CLASS)
    assert f"{COPY[1]}: like {COPY[0]}" in report.duplicates
    assert report.duplicates_count == len(report.duplicates)


def test_it_knows_which_images_it_has_seen(training: Training) -> None:
    seen = heldout_answers.read_seen(training.registry, training.card)
    assert seen is not None
    images, _ = _photos(training)
    assert np.isin(content_hashes(images), seen.learned).all()


def test_the_same_request_again_publishes_nothing(training: Training) -> None:
    work = Train("shapes", "photo-head", str(training.root))
    assert training.again(work, "r1").model == "shapes@1"
    assert training.registry.versions("shapes") == [1]


def test_with_more_photos_only_those_are_computed_and_versions_are_paired(
    training: Training,
) -> None:
    before = training.stored_features()
    assert before == 3 * IMAGES_OF_CLASS
    shapes.write(training.root, "circle", IMAGES_OF_CLASS + 4)
    work = Train("shapes", "photo-head", str(training.root))
    found = training.again(work, "r2")
    assert training.stored_features() == before + 4
    assert found.model == "shapes@2"
    assert f"on the {3 * IMAGES_OF_CLASS} held-out images" in found.decision.why


def test_served_fast_it_has_one_look(training: Training) -> None:
    work = Train("shapes", "photo-head", str(training.root), serve="fast")
    training.again(work, "r3")
    card = training.registry.card("shapes", 3)
    assert [look.backbone for look in card.looks] == ["efficientnet-lite0"]
    assert card.second_pass_margin == 0
    assert card.images_per_s > 0


@pytest.fixture
def workers(training: Training) -> Iterator[Fleet]:
    mirror_writer.publish(training.server.client, training.registry)
    sizes = {"HANGTAG_BATCH_IMAGES": str(MESSAGE_IMAGES)}
    with Fleet(training.server, **SHORT_TIMES, **sizes) as fleet:
        yield fleet


@pytest.fixture(params=["trained", "looks twice"])
def card(request: pytest.FixtureRequest, training: Training) -> Card:
    if request.param == "trained":
        return training.card
    return photo_versions.publish_twice_looking(training.registry, "twice", MARGIN)


def test_the_table_has_the_same_bytes_with_one_worker_with_two_and_after_a_kill(
    training: Training, card: Card, workers: Fleet, tmp_path: Path
) -> None:
    for shape in shapes.CORNERS:
        shapes.write(tmp_path / "new", shape, 2 * MESSAGE_IMAGES, first_seed=5000)
    shapes.noise(tmp_path / "new" / "noise.png")
    (tmp_path / "new" / "broken.jpg").write_bytes(b"\xff\xd8\xff no photo")
    paths = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*"))
    version = expected_table.published(training.registry, card)
    expected = expected_table.table(tmp_path, paths, version=version)
    if card.second_pass_margin:
        never = msgspec.structs.replace(card, second_pass_margin=0.0)
        once = expected_table.table(tmp_path, paths, version=version._replace(card=never))
        changed = sum(a != b for a, b in zip(expected.split(), once.split(), strict=True))
        assert 0 < changed < len(paths) - 2
    else:
        assert expected.count(b",unlike_training,") < len(paths) / 2
        assert b"new/noise.png" in expected.partition(b",unlike_training,")[0]

    def table(output: str) -> bytes:
        command = in_process.run(workers, *_classify(card, output), cwd=tmp_path)
        assert command.code == Exit.SOME_FAILED, command.story
        return (tmp_path / output).read_bytes()

    first = workers.worker(1)
    assert table("one.csv") == expected
    workers.worker(1)
    assert table("two.csv") == expected
    killed = workers.producer(*_classify(card, "killed.csv"), cwd=tmp_path)
    catch(workers.client, first.children)
    first.kill()
    view = killed.view
    assert view is not None
    assert view.done < len(paths)
    assert killed.interrupt() == Exit.INTERRUPTED
    assert table("killed.csv") == expected


def test_one_process_classifies_with_a_photo_model_and_a_28x28_one_in_turn(
    training: Training, workers: Fleet
) -> None:
    worker = workers.worker(1, HANGTAG_MODEL_UNUSED_S="0.05")
    children = worker.children
    images = [shapes.encoded(shapes.draw("circle", number), "JPEG") for number in range(5)]
    photo = expected_table.published(training.registry, training.card)
    with Swaps(training.server, images) as swaps:
        swaps.check(photo)
        for _ in range(2):  # the second time long after the other version
            swaps.check(expected_table.packaged("litert"))
            time.sleep(0.05)
        worker.wait_for_log(f"{photo.card.ref} (litert) is evicted")
        swaps.check(photo)
    assert worker.log.count(f"{photo.card.ref} (photo) is loaded") == 2
    assert worker.children == children


def _classify(card: Card, output: str) -> tuple[str, ...]:
    return ("classify", "new", "-o", output, "--model", card.ref)


def _photos(training: Training) -> tuple[np.ndarray, np.ndarray]:
    """The photos of the first training and their labels."""
    images, labels = [], []
    for number, shape in enumerate(training.card.labels):
        for path in sorted((training.root / shape).rglob("*")):
            if path.is_file() and path.name != Path(BROKEN).name and path.stem < "012":
                images.append(decode(path.read_bytes(), training.card.preprocessing))
                labels.append(number)
    images.append(decode((training.root / COPY[1]).read_bytes(), training.card.preprocessing))
    return np.stack(images), np.array([*labels, training.card.labels.index("square")])
