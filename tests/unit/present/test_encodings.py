"""A standard output whose encoding lacks characters gets every line, and JSON that is JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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


def answer(table: Path, encoding: str, *arguments: str) -> bytes:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding}
    env["HANGTAG_REDIS_URL"] = f"unix://{table.parent}/no.sock"
    command = [sys.executable, "-m", "producer.cli", *arguments]
    done = subprocess.run(command, env=env, cwd=table.parent.parent, capture_output=True)
    assert done.returncode == Exit.OK, ascii(done.stderr)
    return done.stdout


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("latin-1", "caf\u00e9 \\u0444"), ("utf-8", FOLDER), ("koi8-r", "caf\\xe9 \u0444")],
)
def test_characters_that_the_encoding_lacks_are_escaped(
    table: Path, encoding: str, shown: str
) -> None:
    said = answer(table, encoding, "status", str(table)).decode(encoding)
    assert shown in said


@pytest.mark.parametrize("command", ["status", "verify", "collect"])
@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_json_is_always_utf_8(table: Path, encoding: str, command: str) -> None:
    said = answer(table, encoding, command, str(table), "--json")
    assert str(table) in str(json.loads(said.decode()))
