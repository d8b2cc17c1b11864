"""Ctrl-C at any moment of a command ends it with code 130, without a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from shared.registry import packaged
from shared.registry.registry import Registry
from tests.support.terminal import pty_run

ROOT = Path(__file__).parents[3]
PROGRAM = "tests.faults.apps.interrupted_command"
#: The number of imports from one SIGINT to the next; the night has each import.
STEP = 25
#: Before a person types.
PAUSE_S = 0.3


def command(where: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", PROGRAM, where, *arguments]
    return subprocess.run(program, cwd=ROOT, capture_output=True, text=True)


def imports() -> int:
    """The number of imports of a command, which no Ctrl-C ends."""
    return int(command("0", "status").stdout.split()[-1])


def check(step: int) -> None:
    count = imports()
    assert count > 200, "the command imports less than it did"
    for where in range(1, count, step):
        done = command(str(where), "status")
        print(f"import {where} of {count}: {done.returncode}")
        assert (done.returncode, done.stderr) == (130, "hangtag: interrupted\n")


def test_ctrl_c_while_modules_are_imported() -> None:
    check(STEP)


@pytest.mark.nightly
def test_ctrl_c_at_each_import() -> None:
    check(1)


def test_ctrl_c_while_the_command_line_is_imported_is_json_on_request() -> None:
    error = json.loads(command("1", "status", "--json").stderr)
    assert (error["code"], error["sentence"], error["remedy"]) == (130, "interrupted", "")


def test_ctrl_c_after_the_command_has_ended() -> None:
    done = command("end", "status")
    assert (done.returncode, done.stderr) == (130, "hangtag: interrupted\n")
    assert done.stdout


def test_a_command_that_a_shell_has_in_the_background_ignores_ctrl_c() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        done = command("20", "status")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_at_a_question(tmp_path: Path) -> None:
    card = msgspec.structs.replace(packaged.card(), name="mine", files={})
    Registry(tmp_path / "store").publish(card, {"model.tflite": b"model"})
    program = [sys.executable, "-m", "producer.cli", "models", "rm", "mine"]
    given = {"PYTHONPATH": str(ROOT), "HANGTAG_STORE": str(tmp_path / "store")}
    done = pty_run.run(
        program, columns=80, env=os.environ | given, cwd=tmp_path, on_output=type_ctrl_c, limit_s=20
    )
    assert done.code == 130, done.text
    assert "interrupted" in done.text
    assert Registry(tmp_path / "store").versions("mine") == [1]


def type_ctrl_c(terminal: int, text: str) -> None:
    """Again if the first was too early: between the question and the wait for its answer it has no
    effect, as in each program in Python."""
    if "[y/N]" in text or "^C" in text:
        time.sleep(PAUSE_S)
        with suppress(OSError):  # the command has ended
            os.write(terminal, b"\x03")
