"""Commands in a real terminal and in a pipe: colours and widths as the environment asks for."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
from pathlib import Path
from typing import NamedTuple

import pytest

from producer.present import progress
from producer.present.progress import Figures
from shared.errors import Exit
from tests.support.processes import copied_processes
from tests.support.terminal.screen import Screen

COMMAND = ("models", "list")
ROOT = Path(__file__).parents[3]


class Done(NamedTuple):
    code: int
    text: str  #: what the terminal got


def run(
    *command: str, columns: int, env: dict[str, str], cwd: Path, answer: Path | None = None
) -> Done:
    """Run a command to its end. Its errors go to a terminal, and its answer to that or a file."""
    assert copied_processes.suits(copied_processes.COMMAND, env)
    ours, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    output = terminal if answer is None else os.open(answer, os.O_WRONLY | os.O_CREAT)
    process = copied_processes.start(copied_processes.COMMAND, command, cwd, env, output, terminal)
    for fd in {terminal, output}:
        os.close(fd)
    text = b""
    while data := _read(ours):
        text += data
    os.close(ours)
    return Done(process.wait(), text.decode())


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # the command has closed it
        return b""


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
    done = run(*COMMAND, columns=80, env=environment(tmp_path, **more), cwd=tmp_path)
    assert done.code == 0, done.text
    assert ("\x1b[" in done.text) == coloured


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_table_fits_the_terminal(tmp_path: Path, columns: int) -> None:
    done = run(*COMMAND, columns=columns, env=environment(tmp_path), cwd=tmp_path)
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
    env, answer = environment(tmp_path, **more), tmp_path / "answer"
    done = run("classify", "absent" * 5, columns=60, env=env, cwd=tmp_path, answer=answer)
    assert (done.code, answer.read_text()) == (Exit.USAGE, "")
    screen = Screen(1_000)  # without wrapping
    screen.write(done.text)
    lines = screen.text().splitlines()
    assert len(lines) == 2
    assert max(map(len, lines)) <= columns


def test_a_display_fits_a_terminal_that_is_resized_and_hides_no_cursor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "DISPLAY_AFTER_S", 0.0)
    monkeypatch.setattr(progress, "DRAW_EVERY_S", 0.0)
    monkeypatch.delenv("COLUMNS", raising=False)
    ours, terminal = pty.openpty()
    figures = Figures([f"{n} figures" for n in range(30)], 0.5)
    with open(terminal, "w") as stream:
        display = progress.Live(stream)
        for columns in (200, 80, 40):
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
            display.show(lambda: figures)
            text = os.read(ours, 1 << 16).decode()
            screen = Screen(1_000)  # without wrapping
            screen.write(text)
            (line,) = screen.text().splitlines()
            assert columns - 14 < len(line) < columns
            assert "\x1b[?" not in text
        display.close()
        assert os.read(ours, 1 << 16) == b"\r\x1b[J"
    os.close(ours)


@pytest.mark.parametrize(("more", "coloured"), [({}, False), ({"FORCE_COLOR": "1"}, True)])
def test_a_pipe_gets_every_column_and_colours_on_request_only(
    tmp_path: Path, more: dict[str, str], coloured: bool
) -> None:
    env, pipe = environment(tmp_path, **more), os.pipe()
    with open(pipe[0], encoding="utf-8") as ours, open(pipe[1], "w") as theirs:
        process = copied_processes.start(
            copied_processes.COMMAND, COMMAND, tmp_path, env, theirs.fileno(), theirs.fileno()
        )
        theirs.close()
        text = ours.read()
    assert process.wait() == 0
    assert ("\x1b[" in text) == coloured
    assert "parameters" in text
