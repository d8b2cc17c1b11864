"""From unsorted images to a version: the features of a folder, labels in a file, a training from
them alone. Folders are no classes, and no file is moved."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from producer.labelling.folder_images import FolderImages
from producer.models.labelled_input import labelled_input
from shared.errors import SetupError
from shared.labels.given_label import GivenLabel
from shared.labels.labelled_files import input_sha256
from shared.labels.labels_file import LabelsFile
from shared.messages import folder_features
from shared.messages.folder_features import decode_features
from shared.messages.model_card import Card
from shared.messages.replies import Trained
from shared.messages.requests import ComputeFeatures, Evaluate
from shared.messages.training import Train
from shared.pipes.labelling import NextPage
from shared.registry.registry import Registry
from tests.support.backbones import converted, short_backbone
from tests.support.images import shapes
from tests.support.jobs import handler_context
from tests.support.servers.redis_server import RedisServer
from worker.handlers import folder_features as handler
from worker.handlers.evaluate import evaluate
from worker.handlers.train import train
from worker.labelling.__main__ import session_of

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
#: Folders of the images, which say nothing of what they show.
FOLDERS = ("2024", "2025/summer")
IMAGES = 12  #: of each shape in each folder
MOVED = "2024/circle/001.png"


class Run(NamedTuple):
    server: RedisServer
    store: Path
    root: Path
    labelled: int  #: images with a label
    trained: Trained
    card: Card


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, server_binary: Path) -> Iterator[Run]:
    root = tmp_path_factory.mktemp("first") / "photos"
    for number, folder in enumerate(FOLDERS):
        for shape in ("circle", "triangle"):
            shapes.write(root / folder, shape, IMAGES, first_seed=100 * number)
    store = tmp_path_factory.mktemp("store")
    with short_backbone.in_table(store) as backbone, RedisServer(server_binary) as server:
        converted.put(backbone, store)
        work = ComputeFeatures(str(root))
        context, _ = handler_context.make(server, store, work, request_id="features")
        data = handler.compute(context, work).files[folder_features.FILE]
        file = root.parent / "photos.labels.jsonl"
        labelled = label(data, file, pages=5)
        (root / MOVED).rename(root / "moved.png")  # is found by its content
        trained = learned(server, store, root, labelled_input(file, str(root)))
        registry = Registry(store)
        yield Run(server, store, root, labelled, trained, registry.card("photos", 1))


def label(data: bytes, file: Path, pages: int) -> int:
    """Name the shapes of some pages, each by a person who sees them. Returns their number."""
    features = decode_features(data)
    images, session = FolderImages(features, "photos"), session_of(features, 0)
    labels = LabelsFile(file)
    for page in range(pages):
        shown = session.next(NextPage()).stacks if page else list(range(len(images.stacks)))[::2]
        for stack in shown:
            labels.append([line(images, image) for image in images.stacks[stack]])
    labels.close()
    return len(labels.so_far.images())


def line(images: FolderImages, image: int) -> GivenLabel:
    content = images.content(image)
    assert isinstance(content, bytes)
    name = images.name(image)
    return GivenLabel(
        hashlib.sha256(content).hexdigest(), name, "round" if "circle" in name else "pointed",
        "ada", len(content), f"{zlib.crc32(content):08x}", "now",
    )  # fmt: skip


def learned(server: RedisServer, store: Path, root: Path, data: bytes) -> Trained:
    work = Train(
        "photos", "photo-head", str(root), corrections=input_sha256(data), labelled_only=True,
        precision="fp32",
    )  # fmt: skip
    context, _ = handler_context.make(server, store, work, data, "training")
    answer = train(context, work).answer
    assert isinstance(answer, Trained)
    return answer


def test_a_version_learns_from_the_labelled_images_alone(run: Run) -> None:
    assert run.card.labels == ("pointed", "round")
    assert run.trained.data is not None
    assert sum(run.trained.data.training) == run.labelled < 4 * IMAGES
    assert run.trained.corrections == run.labelled
    assert not any("were not found" in note for note in run.trained.data.notes)


def test_its_training_says_that_its_figures_are_of_chosen_images(run: Run) -> None:
    assert run.trained.data is not None
    assert any("labelled since they look alike" in note for note in run.trained.data.notes)


def test_folders_that_say_nothing_are_not_measured_by(run: Run) -> None:
    work = Evaluate("photos")
    context, _ = handler_context.make(run.server, run.store, work, request_id="evaluation")
    with pytest.raises(SetupError, match="names no data; pass labelled images with --data"):
        evaluate(context, work)
