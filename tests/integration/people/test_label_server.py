"""The labelling of a folder through its real server: what is reported as saved stays, the same
command goes on, and only the page that was opened with the link can read or decide anything."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.errors import Exit
from shared.labels import labels_file
from shared.labels.labels_so_far import Decided, LabelsSoFar
from tests.support.pages.planted_folder import PlantedFolder, plant
from tests.support.processes import procfs
from tests.support.processes.fleet import Fleet
from tests.support.processes.label_server import Label
from tests.support.processes.manual_trainer import Hand
from tests.support.servers.redis_server import RedisServer

IMAGES, COPIES = 60, 2


@pytest.fixture(scope="module")
def redis(server_binary: Path) -> Iterator[RedisServer]:
    with RedisServer(server_binary) as server:
        yield server


@pytest.fixture(scope="module")
def hand(redis: RedisServer) -> Hand:
    hand = Hand(redis)
    hand.live()
    return hand


@pytest.fixture(scope="module")
def fleet(redis: RedisServer) -> Iterator[Fleet]:
    with Fleet(redis) as fleet:
        yield fleet


@pytest.fixture
def folder(tmp_path: Path) -> PlantedFolder:
    return plant(tmp_path / "photos", IMAGES, COPIES)


@pytest.fixture
def label(fleet: Fleet, hand: Hand, folder: PlantedFolder) -> Iterator[Label]:
    """A server for one test."""
    running = Label(fleet, hand, folder)
    try:
        yield running
    finally:
        running.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, fleet: Fleet, hand: Hand) -> Iterator[Label]:
    """A server for tests that only decide."""
    running = Label(fleet, hand, plant(tmp_path_factory.mktemp("kept") / "photos", 6, COPIES))
    yield running
    running.end(signal.SIGKILL)


@pytest.fixture
def undecided(kept: Label) -> Label:
    """The same, after every decision of an earlier test has been taken back."""
    kept.decide(*({"item": stack} for stack in range(6)))
    assert saved(kept).images() == {}
    return kept


def colour(folder: PlantedFolder, stack: dict[str, Any]) -> dict[str, Any]:
    """The right decision about a stack."""
    name = stack["path"].rpartition("/")[2]
    return {"item": stack["item"], "kind": "label", "label": folder.colours[name]}


def saved(label: Label) -> LabelsSoFar:
    return labels_file.read(label.file).so_far


def test_a_folder_is_labelled_to_its_end_and_the_same_command_goes_on(
    fleet: Fleet, hand: Hand, folder: PlantedFolder, label: Label
) -> None:
    page = label.next()
    for _ in range(2):
        page = label.decide(*(colour(folder, one) for one in page["items"]))["page"]
    label.end(signal.SIGKILL)  # what was reported as saved stays
    before = len(saved(label).images())
    again = Label(fleet, hand, folder)
    assert again.named(again.json("GET", "/facts")) == before
    page = again.next()
    while page["why"] != "end":
        reply = again.decide(*(colour(folder, one) for one in page["items"]))
        assert reply["refused"] == []
        page = reply["page"]
    assert again.named(reply) == IMAGES + COPIES
    assert again.end() == Exit.OK, again.process.story
    out = again.process.out
    assert f"{IMAGES + COPIES} of {IMAGES + COPIES} images named by a person, 3 labels" in out
    for command in ("train photos --labels", "classify photos --model", "sort photos.csv --into"):
        assert f"hangtag {command}" in out
    names = {line.path.rpartition("/")[2]: line.label for line in lines_of(again)}
    assert names == folder.colours  # a line for each image of a stack


def lines_of(label: Label) -> list[Any]:
    so_far = saved(label)
    return [so_far.line(sha256) for sha256 in so_far.images()]


def test_a_stack_has_a_line_for_each_of_its_images(undecided: Label) -> None:
    undecided.decide({"item": 0, "kind": "label", "label": "red"})
    images = saved(undecided).images()
    assert list(images.values()) == [Decided("label", "red")] * (1 + COPIES)
    assert undecided.named(undecided.json("GET", "/facts")) == 1 + COPIES


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_an_image_that_changes_while_it_is_shown_is_not_saved(
    folder: PlantedFolder, label: Label, how: str
) -> None:
    stack = label.next()["items"][0]
    path = folder.root.parent / stack["path"]
    assert label.ask("GET", label.of(f"/pictures/{stack['item']}"))[0] == 200
    path.unlink()
    if how == "changed":
        path.write_bytes(b"another image")
    reply = label.decide(colour(folder, stack))
    why = "has changed" if how == "changed" else "cannot be read"
    refused = [one for one in reply["refused"] if one["why"].startswith(stack["path"])]
    assert [why in one["why"] for one in refused] == [True]
    assert stack["path"] not in {line.path for line in lines_of(label)}
    status, _, body = label.ask("GET", label.of(f"/pictures/{stack['item']}"))
    assert status == 422
    assert why.encode() in body


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a/../b\\c", "backslash"),
        ("x" * 200 + "é" * 50, "too long"),
        ("unknown", "reserved"),
        (".hidden", "starts with a dot"),
        ("RED", "has the folder of 'red'"),
        ("nul", "device on Windows"),
    ],
)
def test_a_name_that_can_name_no_folder_is_refused_in_one_line(
    undecided: Label, name: str, why: str
) -> None:
    undecided.decide({"item": 0, "kind": "label", "label": "red"})
    before = undecided.file.read_bytes()
    body = {"decisions": [{"item": 1, "kind": "label", "label": name}]}
    status, _, reply = undecided.ask("POST", undecided.of("/decisions"), body)
    assert status == 400
    assert why in reply.decode()
    assert undecided.file.read_bytes() == before


def test_the_process_that_learns_may_die(folder: PlantedFolder, label: Label) -> None:
    page = label.next()
    page = label.decide(*(colour(folder, one) for one in page["items"]))["page"]
    children = procfs.children(label.process.pid)
    assert children
    for child in children:
        procfs.kill(child)
    procfs.wait_for_end(children)
    reply = label.decide(*(colour(folder, one) for one in page["items"]))
    assert label.named(reply) == len(saved(label).images())


def test_with_json_the_link_is_one_object_and_the_end_prints_nothing(
    fleet: Fleet, hand: Hand, folder: PlantedFolder
) -> None:
    running = Label(fleet, hand, folder, ["--json"])
    assert running.end() == Exit.OK, running.process.story
    answer = json.loads(running.process.out)
    assert (answer["images"], answer["labels"]) == (IMAGES + COPIES, running.file.name)
    assert running.token in answer["label"]
