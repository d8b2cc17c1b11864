"""From unsorted images to folders: a page on which a person names some of them, and the commands
that it prints at its end, as they are. Folders are no classes, and no file is moved."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from shared.errors import Exit
from shared.labels import labels_file
from shared.labels.label_line import LabelLine
from shared.labels.labels_file import LabelsFile
from shared.labels.labels_so_far import LabelsSoFar
from shared.labels.submitted_lines import encode_lines, input_sha256
from shared.messages import replies
from shared.messages.model_card import Card
from shared.messages.replies import Trained, decode_features
from shared.messages.requests import ComputeFeatures, Outcome
from shared.messages.training import Train
from shared.registry import mirror_writer
from shared.registry.registry import Registry
from tests.support.images import shapes
from tests.support.jobs import handler_context
from tests.support.jobs.decided import line_of
from tests.support.pages.planted_folder import PlantedFolder
from tests.support.processes import in_process
from tests.support.processes.fleet import SHORT_TIMES, Fleet, wait_for
from tests.support.processes.label_server import Label
from tests.support.processes.manual_trainer import Hand
from tests.support.processes.review_server import Review
from tests.support.servers.redis_server import RedisServer
from worker.requests import folder_features as handler
from worker.requests import unlabelled_acceptance
from worker.requests.train import train

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
#: Folders of the images, which say nothing of what they show.
FOLDERS = ("2024", "2025/summer")
SHAPES = {"circle": "round", "triangle": "pointed"}
IMAGES = 40  #: of each shape in each folder
#: With these labels, all of them right, guesses are accepted at 90 %.
NAMED = 120
JUDGED = 25  #: fewer than have no label
AT = "2026-11-29T06:01:53.237+00:00"
MOVED = "2024/circle/001.png"


class Run(NamedTuple):
    fleet: Fleet
    store: Path
    root: Path
    labels: LabelsSoFar
    commands: list[list[str]]  #: that were printed
    trained: Trained

    @property
    def card(self) -> Card:
        return Registry(self.store).card("photos", 1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, server_binary: Path) -> Iterator[Run]:
    root = tmp_path_factory.mktemp("first") / "photos"
    for number, folder in enumerate(FOLDERS):
        for shape in SHAPES:
            shapes.write(root / folder, shape, IMAGES, first_seed=100 * number)
    store = tmp_path_factory.mktemp("store")
    with (
        RedisServer(server_binary) as server,
        Fleet(server, **SHORT_TIMES) as fleet,
    ):
        hand = Hand(server)
        hand.live()
        label = Label(fleet, hand, described(server, store, root))
        name_some(label)
        assert label.end() == Exit.OK, label.process.story
        commands = list(map(shlex.split, re.findall(r"hangtag .*", label.process.out)))
        exclude_one(label.file, root)
        (root / MOVED).rename(root / "moved.png")  # is found by its content
        labels = labels_file.read(label.file).so_far
        trained = learned(fleet, hand, store, root, commands[0])
        mirror_writer.publish(server.client, Registry(store))
        label.file.unlink()  # the version has the labels
        yield Run(fleet, store, root, labels, commands, trained)


def described(server: RedisServer, store: Path, root: Path) -> PlantedFolder:
    """The folder, and its features."""
    work = ComputeFeatures(str(root))
    context, _ = handler_context.make(server, store, work, request_id="features")
    features = decode_features(handler.compute(context, work).files[replies.FEATURES_FILE])
    return PlantedFolder(root, {os.fsdecode(path): "" for path in features.paths}, features)


def name_some(label: Label) -> None:
    """Name the shapes of some pages, as a person who sees them."""
    page, named = label.next(), 0
    while named < NAMED:
        reply = label.decide(*map(named_stack, page["items"]))
        page, named = reply["page"], label.named(reply)


def exclude_one(file: Path, root: Path) -> None:
    """Say of an image without a label that it is not of its shape: a right guess is wrong then, so
    that none is right by chance."""
    shape, name = next(iter(SHAPES.items()))
    with closing(LabelsFile(file)) as open_file:
        free = (
            path
            for path in sorted((root / FOLDERS[1] / shape).iterdir())
            if open_file.so_far.of(sha256_of(path)) is None
        )
        content = next(free).read_bytes()
        open_file.append([line_of(content, name, at=AT, kind="not-this")])


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def named_stack(shown: dict[str, Any]) -> dict[str, Any]:
    (name,) = (name for shape, name in SHAPES.items() if shape in shown["path"])
    return {"item": shown["item"], "kind": "label", "label": name}


def before_moving(path: str) -> str:
    """Where an image was when it was labelled: its folder has the name of its shape."""
    return MOVED if path.endswith("/moved.png") else path


def learned(fleet: Fleet, hand: Hand, store: Path, root: Path, command: list[str]) -> Trained:
    """The answer to the request of a command, which is trained in this process."""
    producer = fleet.producer(*command[1:], cwd=root.parent)
    (request_id,) = wait_for("the request", hand.open)
    work = hand.claim(request_id).work
    assert isinstance(work, Train)
    work = msgspec.structs.replace(work, recipe="photo-head")
    context, _ = handler_context.make(
        hand.server, store, work, hand.folder(request_id).input(), request_id
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unlabelled_acceptance, "MOST_JUDGED", JUDGED)
        answer = train(context, work).answer
    assert isinstance(answer, Trained)
    outcome = Outcome(ok=True, answer=msgspec.Raw(msgspec.json.encode(answer)))
    hand.answer(request_id, outcome)
    assert producer.wait() == Exit.OK, producer.story
    return answer


def test_a_version_learns_from_the_labelled_images_alone(run: Run) -> None:
    assert run.card.labels == ("pointed", "round")
    assert run.trained.data is not None
    named = len(run.labels.images())
    assert sum(run.trained.data.training) == named < 2 * len(SHAPES) * IMAGES
    assert run.trained.corrections == named
    assert not any("were not found" in note for note in run.trained.data.notes)


def test_its_training_says_that_its_figures_are_of_chosen_images(run: Run) -> None:
    assert run.trained.data is not None
    assert any("labelled since they look alike" in note for note in run.trained.data.notes)


def test_the_printed_commands_sort_all_images_by_people_and_by_what_is_accepted(run: Run) -> None:
    """A labels file that is gone is not missed, and images that were moved are found."""
    run.fleet.worker(1)
    for command in run.commands[1:]:
        done = in_process.run(run.fleet, *command[1:], cwd=run.root.parent)
        assert done.code == Exit.OK, done.story
    people = {decided.label for decided in run.labels.images().values()}
    assert people == set(run.card.labels)
    with (run.root.parent / "photos.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(SHAPES) * IMAGES
    expected: list[tuple[str, bytes]] = []
    for row in rows:
        content = (run.root.parent / row["path"]).read_bytes()
        decided = run.labels.of(hashlib.sha256(content).hexdigest())
        if decided is not None:
            assert (row["label"], row["source"]) == (decided.label, "person")
            expected.append((decided.label, content))
        elif row["guess"] in run.labels.excluded(hashlib.sha256(content).hexdigest()):
            expected.append(("unknown", content))
        elif row["flag"]:
            expected.append(("flagged", content))
        else:
            lowest = round(threshold(run.card, row["guess"]), 4)  # as the table displays it
            accepted = float(row["confidence"]) >= lowest
            expected.append((row["guess"] if accepted else "unknown", content))
    folders = [folder for folder, _ in expected]
    assert min(map(folders.count, people)) > NAMED / 3
    assert sorted(expected) == sorted(
        (path.parent.name, path.read_bytes())
        for path in (run.root.parent / "photos-sorted").glob("*/*")
    )


def test_a_name_that_a_person_excluded_is_never_accepted_and_not_proposed_in_a_review(
    run: Run,
) -> None:
    """Not even where every guess is accepted; and what the version has learned is no evidence."""
    run.fleet.worker(1)
    where, table = run.root.parent, run.root.parent / "all.csv"
    command = ("classify", "photos", "--model", "photos", "-o", table.name)
    done = in_process.run(run.fleet, *command, cwd=where)
    assert done.code == Exit.OK, done.story
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    contents = [(where / row["path"]).read_bytes() for row in rows]
    excluded = [run.labels.excluded(hashlib.sha256(content).hexdigest()) for content in contents]
    wrong = [n for n, (row, names) in enumerate(zip(rows, excluded, strict=True))
             if row["guess"] in names]  # fmt: skip
    assert len(wrong) == sum(map(bool, excluded)) == 1
    unknown = [n for n, row in enumerate(rows) if row["label"] == "unknown"]
    assert unknown == wrong
    review = Review(table, **run.fleet.environment({}))
    try:
        shown = review.rows("kind=all&count=500")["items"]
        heading = review.json("GET", "/facts")["heading"]
    finally:
        review.end()
    assert {row["row"] - 1: row["guess"] for row in shown if row["row"] - 1 in wrong} == {
        n: next(name for name in run.card.labels if name not in excluded[n]) for n in wrong
    }
    named = sum(row["source"] == "person" for row in rows)
    assert heading.startswith(f"{named} decided, {named} learned by the version, not counted.")


@pytest.mark.nightly
def test_images_without_a_label_are_accepted_where_labelled_ones_show_that_they_are_right(
    run: Run,
) -> None:
    train_on(run, "plain", list(submitted(run)))
    output = ("-o", "ninety.csv", "--accept", "90%")
    done = in_process.run(
        run.fleet, "classify", "photos", "--model", "plain", *output, cwd=run.root.parent
    )
    assert done.code == Exit.OK, done.story
    with (run.root.parent / "ninety.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] != "person"]
    accepted = [row for row in rows if row["label"] != "unknown"]
    assert accepted
    right = [
        row
        for row in accepted
        if named_stack({"path": before_moving(row["path"]), "item": 0})["label"] == row["label"]
    ]
    assert len(right) >= 0.9 * len(accepted)


@pytest.mark.nightly
def test_the_report_on_a_version_finds_its_mistakes_where_the_images_lie(run: Run) -> None:
    """People have taken some images for the other shape; those lie in the folder, in any place."""
    other = dict(zip(SHAPES.values(), reversed(SHAPES.values()), strict=True))
    files = [
        msgspec.structs.replace(file, label=other[file.label]) if number % 8 == 0 else file
        for number, file in enumerate(submitted(run))
    ]
    train_on(run, "wrong", files)
    command = ("models", "report", "wrong@1", "-o", "wrong.html", "--json")
    here = {"HANGTAG_REDIS_URL": "", "HANGTAG_STORE": str(run.store)}
    done = in_process.run(run.fleet, *command, cwd=run.root.parent, **here)
    assert done.code == Exit.OK, done.story
    written = msgspec.json.decode(done.out)
    assert written["mistakes"] > 0, done.story
    assert written["notices"] == []
    page = (run.root.parent / "wrong.html").read_text(encoding="utf-8")
    assert page.count(f"{run.root}/") >= written["mistakes"]


def submitted(run: Run) -> Iterator[LabelLine]:
    """The labels as a trainer gets them, in the order of the paths of their files."""
    given = run.labels.images()
    for path in sorted(run.root.rglob("*.*")):
        content = path.read_bytes()
        key = hashlib.sha256(content).hexdigest()
        if key in given:
            yield line_of(content, given[key].label, path="", at=AT)


def train_on(run: Run, name: str, files: list[LabelLine]) -> None:
    """Train a version of a model on these labels, in this process."""
    input = encode_lines(files)
    work = Train(
        name, "photo-head", str(run.root),
        corrections=input_sha256(input), labelled_only=True,
    )  # fmt: skip
    context, _ = handler_context.make(run.fleet.server, run.store, work, input, name)
    train(context, work)
    mirror_writer.publish(run.fleet.server.client, Registry(run.store))


def threshold(card: Card, label: str) -> float:
    (point,) = (point for point in card.operating_points if point.precision == 0.95)
    found = point.thresholds[card.labels.index(label)]
    return 2 if found is None else found
