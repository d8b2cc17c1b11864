"""Names of class folders as labels, through the real server: asked about, asked for, or neither."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.errors import Exit
from shared.labels import labels_file
from tests.support.pages.planted_folder import PlantedFolder, plant
from tests.support.processes.fleet import Fleet
from tests.support.processes.label_server import Label
from tests.support.processes.manual_trainer import Hand
from tests.support.servers.redis_server import RedisServer

IMAGES = 30
FOLDERS = (
    dict.fromkeys(range(1, 11), "Coat") | dict.fromkeys(range(11, 16), "Hat") | {16: "2023-05-01"}
)


@pytest.fixture(scope="module")
def hand(server_binary: Path) -> Iterator[Hand]:
    with RedisServer(server_binary) as server:
        hand = Hand(server)
        hand.live()
        yield hand


@pytest.fixture(scope="module")
def fleet(hand: Hand) -> Iterator[Fleet]:
    with Fleet(hand.server) as fleet:
        yield fleet


@pytest.fixture
def folder(tmp_path: Path) -> PlantedFolder:
    return plant(tmp_path / "photos", IMAGES, folders=FOLDERS)


def test_the_page_asks_about_folders_but_no_date_and_a_reply_is_that_of_a_person(
    fleet: Fleet, hand: Hand, folder: PlantedFolder
) -> None:
    label = Label(fleet, hand, folder)
    asked = label.json("GET", label.of("/folders"))
    assert [(one["name"], one["images"]) for one in asked] == [("Coat", 10), ("Hat", 5)]
    for one in asked:
        assert len(one["items"]) == 3
        for stack in one["items"]:
            status, headers, _ = label.ask("GET", label.of(f"/pictures/{stack}"))
            assert (status, headers["content-type"]) == (200, "image/webp")
    facts = label.json("GET", "/facts")
    assert (label.named(facts), facts["labels"]) == (0, [])
    reply = say(label, ["Coat"], True)
    assert (label.named(reply), "by their folders" in reply["heading"]) == (10, False)
    assert (reply["labels"], reply["page"]["why"]) == (["Coat"], "group")
    say(label, ["Hat"], False)
    assert label.end(signal.SIGKILL) != Exit.OK  # what was reported as saved stays
    again = Label(fleet, hand, folder)
    assert again.json("GET", again.of("/folders")) == []
    assert again.end() == Exit.OK, again.process.story
    assert "10 of 30 images named by a person, 1 label" in again.process.out
    assert labels_file.read(again.file).so_far.labels() == {"Coat": 10}


def test_labels_that_were_asked_for_and_not_confirmed_are_no_labels_by_a_person(
    fleet: Fleet, hand: Hand, folder: PlantedFolder
) -> None:
    label = Label(fleet, hand, folder, ["--folders"])
    assert label.json("GET", label.of("/folders")) == []
    assert "0 of 30 images named by a person, 16 by their" in label.json("GET", "/facts")["heading"]
    assert "which no person has confirmed" in label.process.log
    assert label.end() == Exit.OK, label.process.story
    assert "0 of 30 images named by a person, 16 by their folders, 3 labels" in label.process.out
    without = Label(fleet, hand, folder, ["--no-folders"])
    assert without.json("GET", without.of("/folders")) == []
    assert without.named(without.json("GET", "/facts")) == 0
    assert without.end() == Exit.OK, without.process.story


def say(label: Label, folders: list[str], is_label: bool) -> Any:
    body = {"folders": folders, "is_label": is_label}
    return label.json("POST", label.of("/name-folders"), body)
