"""Lines that follow a certain place of a log are there once, whatever a crash has left of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared import failpoints
from shared.errors import BadMessage
from shared.labels.line_log import LineFollower, extend

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


def test_lines_that_were_extended_are_synced_with_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events, fsync = list[int | str](), os.fsync

    def synced(fd: int) -> None:
        fsync(fd)
        events.append(os.fstat(fd).st_ino)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(failpoints, "_on_pass", events.append)
    log = tmp_path / "log"
    extend(log, 0, LINES)
    assert events == ["corrections.extended", log.stat().st_ino, tmp_path.stat().st_ino]


def test_a_line_without_its_end_is_read_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    follower = LineFollower(log, decode, lambda line: None)
    for content, new in ((b"one", [b"one"]), (b"one\n", []), (b"one\ntwo\n", [b"two"])):
        log.write_bytes(content)
        assert follower.new() == new


def decode(line: bytes) -> bytes:
    if not line:
        raise BadMessage("empty")
    return line
