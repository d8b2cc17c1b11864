"""Short work is done beside a training; a second training waits, and says for what."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.errors import Exit
from shared.ledger.request_states import RequestState
from shared.ledger.requests import RequestLedger
from tests.support.processes import in_process, local_stack
from tests.support.processes.fleet import wait_for
from tests.support.processes.local_stack import Place
from tests.support.processes.trainers import draw_classes


@pytest.fixture
def place() -> Iterator[Place]:
    yield from local_stack.new(workers=False)


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    return draw_classes(tmp_path / "shapes")


def hangtag(place: Place, here: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "producer.cli", *arguments],
        cwd=here,
        env={**os.environ, **place.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def done(place: Place, here: Path, *arguments: str) -> str:
    """The output of a command that succeeds."""
    command = in_process.run_with({**os.environ, **place.environment}, *arguments, cwd=here)
    assert command.code == Exit.OK, command.story
    return command.out


def read_until(command: subprocess.Popen[str], text: str) -> str:
    """The line with this text that a command reports, which may take seconds."""
    assert command.stderr is not None
    lines: list[str] = []
    for line in command.stderr:
        lines.append(line)
        if text in line:
            return line
    pytest.fail(f"no line has {text!r}: {lines}")


def state_of(place: Place, request_id: str) -> RequestState | None:
    with place.client() as client:
        view = RequestLedger(client, place.settings.lease_s).get(request_id)
    return view.state if view is not None else None


def test_data_are_displayed_while_a_training_runs_and_the_next_training_waits_for_it(
    place: Place, shapes: Path, tmp_path: Path
) -> None:
    train = ("train", "--data", str(shapes), "--recipe", "tutorial")
    endless = ("--epochs", "100000", "--name", "first", "--request-id", "first", "--detach")
    done(place, tmp_path, *train, *endless)
    wait_for("the training", lambda: state_of(place, "first") is RequestState.RUNNING)
    again = ("--epochs", "100000", "--name", "second", "--request-id", "second")
    second = hangtag(place, tmp_path, *train, *again)
    wait_for("the next", lambda: state_of(place, "second") is RequestState.WAITING)
    shown = done(place, tmp_path, "dataset", "show", "--data", str(shapes), "-o", "plots")
    assert "sandal" in shown
    assert (tmp_path / "plots/grid.png").exists()
    assert state_of(place, "first") is RequestState.RUNNING
    assert state_of(place, "second") is RequestState.WAITING
    reported = read_until(second, "waiting: train first (tutorial) is running")
    done(place, tmp_path, "train", "--cancel", "first")
    wait_for("its turn", lambda: state_of(place, "second") is RequestState.RUNNING)
    done(place, tmp_path, "train", "--cancel", "second")
    _, error = second.communicate(timeout=120)
    assert second.returncode == Exit.CANCELLED, error
    assert "(request first)" in reported
