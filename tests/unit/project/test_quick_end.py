"""A copied process ends as Python does: its output, its exit code, what is called at the end."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import atexit, sys
from tests.support.processes.quick_end import QuickEnd

class Freed:
    def __del__(self):
        print("freed")

freed, end = Freed(), QuickEnd()
atexit.register(print, "registered")
print("printed")
try:
    sys.exit({code!r})
except SystemExit as ended:
    end.code = ended.code
    raise
"""
PYTHONS_FOR_LOST_OUTPUT = 120


@pytest.mark.parametrize(
    ("code", "expected", "also"), [(3, 3, ""), (0, 0, ""), ("what is wrong", 1, "freed\n")]
)
def test_it_prints_and_returns_the_same(code: object, expected: int, also: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(code=code)], capture_output=True, text=True
    )
    assert ended.stdout == "printed\nregistered\n" + also
    assert ended.stderr.strip() == (code if isinstance(code, str) else "")
    assert ended.returncode == expected


def test_output_that_cannot_be_written_is_reported() -> None:
    buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(code=0)],
            env=buffered, stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert ended.returncode == PYTHONS_FOR_LOST_OUTPUT
    assert "No space left" in ended.stderr
