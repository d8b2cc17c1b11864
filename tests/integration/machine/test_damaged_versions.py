"""A version whose file is damaged in the store: commands name the file, and a restored one is used
by the stack that runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from producer.machine import stack
from shared.registry import packaged
from shared.registry.registry import Registry
from tests.support.images import gallery
from tests.support.processes import local_stack
from tests.support.processes.in_process import Done, run_with
from tests.support.processes.local_stack import Place

FILE = "model.tflite"


@pytest.fixture
def place() -> Iterator[Place]:
    yield from local_stack.new(workers=False)


@pytest.fixture
def model(place: Place) -> Path:
    """The file of a version that is published, in a store whose stack does not run yet."""
    files = {name: packaged.read(name) for name in packaged.card().files}
    card = msgspec.structs.replace(packaged.card(), name="mine", files={})
    Registry(place.settings.store_path).publish(card, files)
    return place.settings.store_path / "mine" / "1" / FILE


def run(place: Place, *arguments: str) -> Done:
    return run_with(os.environ | place.environment, *arguments, cwd=place.folder)


def flip(file: Path) -> bytes:
    """Flip one bit; returns what the file was."""
    before = file.read_bytes()
    file.write_bytes(bytes([before[0] ^ 1]) + before[1:])
    return before


def test_classify_names_a_damaged_file_and_uses_it_once_it_is_restored(
    place: Place, model: Path
) -> None:
    gallery.make(place.folder, 3)
    whole = flip(model)
    stack.up(place.settings, 1)
    supervisor = place.the("supervisor")
    refused = run(place, "classify", "pictures", "--model", "mine", "-o", "out.csv")
    assert refused.code == 1, refused.story
    (line,) = refused.log.splitlines()
    assert str(model) in line
    assert "there is no model" not in line
    model.write_bytes(whole)
    done = run(place, "classify", "pictures", "--model", "mine", "-o", "out.csv")
    assert done.code == 0, done.story
    assert place.the("supervisor") == supervisor


def test_doctor_names_a_damaged_file(place: Place, model: Path) -> None:
    stack.up(place.settings, 1, floor=0)
    flip(model)
    report = run(place, "doctor")
    assert report.code == 1, report.story
    assert str(model) in report.out


def test_an_unknown_model_is_answered_with_the_models_of_the_list(
    place: Place, model: Path
) -> None:
    """Redis has the copies of a model whose folder was deleted, until its stack ends."""
    gallery.make(place.folder, 3)
    stack.up(place.settings, 1, floor=0)
    model.parents[1].rename(place.folder / "deleted")
    refused = run(place, "classify", "pictures", "--model", "nope", "-o", "out.csv")
    assert refused.code == 1, refused.story
    assert "there is no model nope" in refused.log
    assert "mine" not in refused.log
    assert "mine" not in run(place, "models", "list").out
