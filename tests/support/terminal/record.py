"""Records a session in a real terminal of 80 columns, typed into a real shell, for README:

    python -m tests.support.terminal.record      (make session)

It installs Hangtag from this checkout into a new environment, runs the demo, trains on a folder,
classifies with the new model and lists the jobs, in a temporary home. docs/session.cast is the
recording, docs/session.txt the same as text, docs/session.svg the moving picture.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.terminal import svg
from tests.support.terminal.cast import Cast, decode, encode, hastened, played
from tests.support.terminal.pty_run import run

ROOT = Path(__file__).parents[3]
COLUMNS, ROWS = 80, 30
LIMIT_S = 1800.0
TITLE = "Hangtag: install, demo, train on a folder, classify, status"
COMMANDS = (
    "python3 -m venv .venv && . .venv/bin/activate",
    "pip install -q -c constraints.txt '.[all]'",
    "hangtag demo",
    "hangtag train --data demo/images --name garments --recipe fast --epochs 2",
    "hangtag classify demo/images/Bag --model garments",
    "hangtag status",
)
PROMPT = "$ "
#: A person types about so fast; the shell echoes each character.
KEY_S = 0.03


class Typist:
    """Types a command whenever the shell waits for one, and leaves the shell at the end."""

    def __init__(self, commands: Sequence[str], prompts: Path) -> None:
        self._waiting, self._prompts, self._typed = list(commands), prompts, 0

    def __call__(self, terminal: int, text: str) -> None:
        """Called with each output of the shell."""
        if not self._prompts.exists() or self._prompts.stat().st_size <= self._typed:
            return
        if not text.endswith(PROMPT):
            return
        self._typed = self._prompts.stat().st_size
        time.sleep(0.5)
        for key in self._waiting.pop(0) + "\r" if self._waiting else "\x04":
            os.write(terminal, key.encode())
            time.sleep(KEY_S)


def record(checkout: Path, home: Path) -> Cast:
    """Type all commands into a shell in `checkout`. Raises AssertionError if one fails."""
    prompts = home / "prompts"
    shell = home / "bashrc"
    # The shell appends the exit code of each command before it prompts.
    shell.write_text(f"PS1='{PROMPT}'\nPROMPT_COMMAND='echo $? >> {prompts}'\n")
    shell.write_text(shell.read_text() + "bind 'set enable-bracketed-paste off'\n")
    env = {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).resolve().parent}:/usr/bin:/bin",
        "TERM": "xterm",
        "LANG": "C.UTF-8",
        "HANGTAG_RUNTIME_DIR": str(home),
        "VIRTUAL_ENV_DISABLE_PROMPT": "1",
        **{name: os.environ[name] for name in os.environ if name.startswith("PIP_")},
    }
    done = run(
        ["bash", "--noprofile", "--rcfile", str(shell), "-i"],
        columns=COLUMNS,
        env=env,
        cwd=checkout,
        limit_s=LIMIT_S,
        on_output=Typist(COMMANDS, prompts),
    )
    codes = prompts.read_text().split()[1:]
    assert codes == ["0"] * len(COMMANDS), f"a command failed:\n{done.text}"
    return Cast(COLUMNS, ROWS, TITLE, list(hastened(_without_exit(done.output))))


def _without_exit(output: Sequence[tuple[float, str]]) -> Sequence[tuple[float, str]]:
    """Up to the last prompt: the shell then echoes that it ends."""
    last = max(i for i, (_, text) in enumerate(output) if text.endswith(PROMPT))
    return output[: last + 1]


def main() -> None:
    """Record, and write the three files."""
    with tempfile.TemporaryDirectory(prefix="hangtag-") as folder:
        checkout, home = Path(folder) / "hangtag", Path(folder) / "home"
        home.mkdir(mode=0o700)
        subprocess.run(["git", "clone", "-q", str(ROOT), str(checkout)], check=True)
        cast = record(checkout, home)
        down = [str(checkout / ".venv/bin/hangtag"), "down", "--force"]
        env = {"HOME": str(home), "HANGTAG_RUNTIME_DIR": str(home), "PATH": "/usr/bin:/bin"}
        subprocess.run(down, env=env, check=True)
    docs = ROOT / "docs"
    text = encode(cast)
    cast = decode(text)  # with times as they are in the file
    (docs / "session.cast").write_text(text)
    (docs / "session.txt").write_text(played(cast).text())
    (docs / "session.svg").write_text(svg.render(cast))


if __name__ == "__main__":
    main()
