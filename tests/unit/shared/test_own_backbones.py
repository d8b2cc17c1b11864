"""A backbone of a store exists with all its files, or not at all."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import msgspec
import pytest

from shared import failpoints
from shared.errors import SetupError
from shared.messages.model_card import ImportedNetwork
from shared.registry import own_backbones
from shared.registry.own_backbones import OwnBackbone
from worker.backbones import backbone_table

FILES = {"model.onnx": b"network", "drawn.npy": b"outputs"}


class Killed(BaseException):
    """The process ends here."""


def backbone(request: str, name: str = "cells") -> OwnBackbone:
    values = ImportedNetwork("onnx", "0-1")
    return OwnBackbone(name, 16, 48, 0, values, {}, "2026-12-02T00:00:00+00:00", request)


@pytest.mark.parametrize("step", range(1, 6))
def test_one_whose_adding_was_killed_is_added_by_the_next_attempt(
    tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each step: a part is written, or put in its place, of three files."""
    steps = iter(range(1, step + 1))

    def die(name: str) -> None:
        if next(steps, step) == step:
            raise Killed

    monkeypatch.setattr(failpoints, "_on_pass", die)
    with pytest.raises(Killed):
        own_backbones.add(tmp_path, backbone("r1"), FILES)
    monkeypatch.undo()
    assert own_backbones.listed(tmp_path) == {}
    made = own_backbones.add(tmp_path, backbone("r1"), FILES)
    assert own_backbones.files(tmp_path, made) == FILES
    assert own_backbones.listed(tmp_path) == {"cells": made}


def test_a_stopped_request_adds_none(tmp_path: Path) -> None:
    def stop() -> None:
        raise Killed

    with pytest.raises(Killed):
        own_backbones.add(tmp_path, backbone("r1"), FILES, stop)
    assert own_backbones.listed(tmp_path) == {}


def test_a_request_that_is_repeated_has_what_it_has_added(tmp_path: Path) -> None:
    first = own_backbones.add(tmp_path, backbone("r1"), FILES)
    again = msgspec.structs.replace(backbone("r1"), added="2026-12-03T00:00:00+00:00")
    assert own_backbones.add(tmp_path, again, FILES) == first


def test_one_of_several_that_add_a_name_at_once_has_it(tmp_path: Path) -> None:
    two = Barrier(2)

    def meet_another() -> None:
        with suppress(BrokenBarrierError):
            two.wait(0.2)

    def attempt(number: int) -> bool:
        files = {name: data + b"%d" % number for name, data in FILES.items()}
        try:
            own_backbones.add(tmp_path, backbone(f"r{number}"), files, meet_another)
        except SetupError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(8))) == 1
    [made] = own_backbones.listed(tmp_path).values()
    number = made.request.removeprefix("r").encode()
    assert own_backbones.files(tmp_path, made)["model.onnx"] == b"network" + number


def test_a_removed_name_is_free_and_the_others_stay(tmp_path: Path) -> None:
    own_backbones.add(tmp_path, backbone("r1"), FILES)
    other = own_backbones.add(tmp_path, backbone("r2", "other"), FILES)
    own_backbones.remove(tmp_path, "cells")
    assert own_backbones.listed(tmp_path) == {"other": other}
    assert own_backbones.files(tmp_path, other) == FILES
    with pytest.raises(SetupError, match="there is no backbone cells"):
        own_backbones.remove(tmp_path, "cells")
    assert own_backbones.add(tmp_path, backbone("r3"), FILES).request == "r3"


def test_a_removal_survives_a_power_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_backbones.add(tmp_path, backbone("r1"), FILES)
    synced = set[int]()
    monkeypatch.setattr(os, "fsync", lambda file: synced.add(os.fstat(file).st_ino))
    own_backbones.remove(tmp_path, "cells")
    assert (tmp_path / ".backbones").stat().st_ino in synced


@pytest.mark.parametrize("file", [*FILES])
def test_a_file_that_is_missing_is_named(tmp_path: Path, file: str) -> None:
    made = own_backbones.add(tmp_path, backbone("r1"), FILES)
    path = tmp_path / ".backbones" / f"cells{own_backbones.ENDS[file]}"
    path.unlink()
    with pytest.raises(SetupError, match=f"{path} is missing or damaged"):
        own_backbones.files(tmp_path, made)


@pytest.mark.parametrize("gone", [("json",), ("json", "onnx"), ("json", "npy")])
def test_a_removal_that_was_killed_is_ended_by_the_same_command(
    tmp_path: Path, gone: tuple[str, ...]
) -> None:
    own_backbones.add(tmp_path, backbone("r1"), FILES)
    for end in gone:
        (tmp_path / f".backbones/cells.{end}").unlink()
    own_backbones.remove(tmp_path, "cells")
    assert [*(tmp_path / ".backbones").glob("cells*")] == []
    with pytest.raises(SetupError, match="there is no backbone cells"):
        own_backbones.remove(tmp_path, "cells")


def test_a_damaged_record_stops_nothing_but_its_own_use_until_it_is_removed(tmp_path: Path) -> None:
    own_backbones.add(tmp_path, backbone("r1"), FILES)
    other = own_backbones.add(tmp_path, backbone("r2", "other"), FILES)
    (tmp_path / own_backbones.FOLDER / "cells.json").write_bytes(b"")
    assert own_backbones.find(tmp_path, "other") == other
    assert backbone_table.load("", tmp_path).row.name == "efficientnet-lite0"
    with pytest.raises(SetupError, match=r"cells\.json is damaged .* hangtag backbones rm cells"):
        backbone_table.load("cells", tmp_path)
    assert own_backbones.add(tmp_path, backbone("r3", "third"), FILES).request == "r3"
    own_backbones.remove(tmp_path, "cells")
    assert [*own_backbones.listed(tmp_path)] == ["other", "third"]


@pytest.mark.parametrize(
    "crafted",
    [{"name": "other"}, {"name": "../cells"}, {"added": "\x1b]0;title\x07"},
     {"files": {"model.onnx": "\x1b[2J"}}],
)  # fmt: skip
def test_a_record_of_another_name_or_that_controls_the_terminal_is_damaged(
    tmp_path: Path, crafted: dict[str, object]
) -> None:
    added = own_backbones.add(tmp_path, backbone("r1"), FILES)
    path = tmp_path / own_backbones.FOLDER / "cells.json"
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(added, **crafted)))
    with pytest.raises(SetupError, match=r"cells\.json is damaged"):
        own_backbones.find(tmp_path, "cells")


def test_a_pipe_in_place_of_a_lock_is_not_waited_for(tmp_path: Path) -> None:
    own_backbones.add(tmp_path, backbone("r1"), FILES)
    lock = tmp_path / own_backbones.FOLDER / ".lock"
    lock.unlink()
    os.mkfifo(lock)
    with pytest.raises(SetupError, match="not a regular file"):
        own_backbones.remove(tmp_path, "cells")


@pytest.mark.parametrize("name", ["../cells", ".", "", "Cells"])
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    own_backbones.add(tmp_path, backbone("r1"), FILES)
    with pytest.raises(SetupError, match="there is no backbone"):
        own_backbones.find(tmp_path, name)
