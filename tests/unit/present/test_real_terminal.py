"""Commands in a real terminal and in a pipe: colours and widths as the environment asks for."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from producer.present.style import columns_of
from shared.errors import Exit
from tests.support.terminal.pty_run import run
from tests.support.terminal.screen import Screen

COMMAND = [sys.executable, "-m", "producer.cli", "models", "list"]
ROOT = Path(__file__).parents[3]


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HANGTAG")}
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        kept.pop(name, None)
    own = {"HANGTAG_STORE": str(folder), "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    return kept | own | more


@pytest.mark.parametrize(
    ("more", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_a_terminal_gets_colours_unless_they_are_unwanted(
    tmp_path: Path, more: dict[str, str], coloured: bool
) -> None:
    done = run(COMMAND, columns=80, env=environment(tmp_path, **more), cwd=tmp_path)
    assert done.code == 0, done.text
    assert ("\x1b[" in done.text) == coloured


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_table_fits_the_terminal(tmp_path: Path, columns: int) -> None:
    done = run(COMMAND, columns=columns, env=environment(tmp_path), cwd=tmp_path)
    screen = Screen(1_000)  # without wrapping
    screen.write(done.text)
    lines = screen.text().splitlines()
    assert len(lines) == 2
    assert max(map(len, lines)) <= columns
    assert "fashion-mnist@0" in lines[1]


@pytest.mark.parametrize(("more", "columns"), [({}, 60), ({"COLUMNS": "50"}, 50)])
def test_errors_fit_the_terminal_also_if_the_answer_is_redirected(
    tmp_path: Path, more: dict[str, str], columns: int
) -> None:
    command = ["sh", "-c", '"$@" > answer', "sh", *COMMAND[:-2], "classify", "absent" * 5]
    done = run(command, columns=60, env=environment(tmp_path, **more), cwd=tmp_path)
    assert (done.code, (tmp_path / "answer").read_text()) == (Exit.USAGE, "")
    screen = Screen(1_000)  # without wrapping
    screen.write(done.text)
    lines = screen.text().splitlines()
    assert len(lines) == 2
    assert max(map(len, lines)) <= columns


def test_a_terminal_that_tells_no_width_has_that_of_the_others() -> None:
    terminal, other = pty.openpty()  # its width is 0
    try:
        with open(other, "w", closefd=False) as stream:
            assert columns_of(stream) == shutil.get_terminal_size().columns
    finally:
        os.close(terminal)
        os.close(other)


@pytest.mark.parametrize(("more", "coloured"), [({}, False), ({"FORCE_COLOR": "1"}, True)])
def test_a_pipe_gets_every_column_and_colours_on_request_only(
    tmp_path: Path, more: dict[str, str], coloured: bool
) -> None:
    env = environment(tmp_path, **more)
    done = subprocess.run(COMMAND, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert ("\x1b[" in done.stdout) == coloured
    assert "parameters" in done.stdout
