"""Lines that follow a certain place of a log are there once, whatever a crash has left of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.labels.line_log import extend

BEFORE, LINES = b"before\n", b"one\ntwo\n"


@pytest.mark.parametrize("others", [b"", b"other\n"])
@pytest.mark.parametrize("written", range(len(LINES) + 1))
def test_lines_are_there_whole_after_every_part_of_them(
    tmp_path: Path, others: bytes, written: int
) -> None:
    log = tmp_path / "log"
    log.write_bytes(BEFORE + others + LINES[:written])
    for _ in range(2):
        extend(log, len(BEFORE), LINES)
        kept = log.read_bytes().removeprefix(BEFORE + others)
        again = bool(others) and len(b"one\n") <= written < len(LINES)  # one decision twice
        assert kept == (b"one\n" if again else b"") + LINES


def test_a_log_that_was_removed_gets_nothing_but_the_lines(tmp_path: Path) -> None:
    extend(tmp_path / "log", len(BEFORE), LINES)
    assert (tmp_path / "log").read_bytes() == LINES
