"""A standard output whose encoding lacks characters gets every line, and JSON that is JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from shared.errors import Exit
from tests.support.jobs.finished_job import finish, options_of

ROOT = Path(__file__).parents[3]
FOLDER = "caf\u00e9 \u0444"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of a finished job, in a folder of whose name Latin-1 has the first letters only."""
    folder = tmp_path_factory.mktemp("jobs") / FOLDER
    (folder / "photos").mkdir(parents=True)
    (folder / "photos/1.png").write_bytes(b"1")
    finish(options_of(folder, b"photos"))
    return folder / "out.csv"


#: Each command of one process, whose standard output has one encoding; their outputs are separated.
_COMMANDS = """
import json, sys
from producer.cli.main import main
for arguments in json.loads(sys.argv[1]):
    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit as end:
        assert not end.code, end.code
    sys.stdout.flush()
    sys.stdout.buffer.write(b"\\0")
"""
COMMANDS = ("status", "verify", "collect")


@cache
def answers(table: Path, encoding: str) -> dict[tuple[str, ...], bytes]:
    """The standard output of each command, for people and as JSON."""
    commands = [("status",), *((command, "--json") for command in COMMANDS)]
    orders = json.dumps([[name, str(table), *more] for name, *more in commands])
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding}
    env["HANGTAG_REDIS_URL"] = f"unix://{table.parent}/no.sock"
    command = [sys.executable, "-c", _COMMANDS, orders]
    done = subprocess.run(command, env=env, cwd=table.parent.parent, capture_output=True)
    assert done.returncode == Exit.OK, ascii(done.stderr)
    return dict(zip(commands, done.stdout.split(b"\0")[:-1], strict=True))


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("latin-1", "caf\u00e9 \\u0444"),
        ("utf-8", FOLDER),
        ("koi8-r", "caf\\xe9 \u0444"),
    ],
)
def test_characters_that_the_encoding_lacks_are_escaped(
    table: Path, encoding: str, shown: str
) -> None:
    said = answers(table, encoding)["status",].decode(encoding)
    assert shown in said


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_json_is_always_utf_8(table: Path, encoding: str, command: str) -> None:
    said = answers(table, encoding)[command, "--json"]
    assert str(table) in str(json.loads(said.decode()))
