"""`models use` dies: the choice is the earlier or the new one; the same command completes it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from producer.models.default_model import choice
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.settings import Settings
from tests.faults.producer.test_failpoints import PROGRAM
from tests.support.failpoints.armed import KILL, RAISE, Points, Shot

pytestmark = pytest.mark.points

SHIPPED = "fashion-mnist"
OF_CHOOSING = [Shot("default-model.stored", 1, how) for how in (KILL, RAISE)]
OF_REMOVING_THE_CHOICE = [Shot("default-model.removed", 1, how) for how in (KILL, RAISE)]


@pytest.fixture(autouse=True)
def shoes() -> None:
    card = msgspec.structs.replace(packaged.card(), name="shoes", files={})
    Registry(Settings.from_env().store_path).publish(card, {"model.tflite": b"1"})


def use(model: str, program: str, points: Points) -> int:
    """The exit status of `models use`; it needs no server."""
    command = [sys.executable, "-m", program, "models", "use", model]
    return subprocess.run(
        command, env={**os.environ, **points.settings}, capture_output=True, check=False
    ).returncode


@pytest.mark.parametrize("shot", [*OF_CHOOSING, *OF_REMOVING_THE_CHOICE], ids=str)
def test_a_choice_is_made_or_not(tmp_path: Path, shot: Shot) -> None:
    points, (program,) = Points(tmp_path / "points"), PROGRAM
    before, after = ("shoes", SHIPPED) if shot in OF_REMOVING_THE_CHOICE else (SHIPPED, "shoes")
    assert use(before, program, points) == 0
    points.arm(shot)
    assert use(after, program, points) != 0
    assert points.victim(), f"{shot} has not fired"
    assert choice(Settings.from_env()).model == after
    points.disarm()
    assert use(after, program, points) == 0
    assert choice(Settings.from_env()).model == after
