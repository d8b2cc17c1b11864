"""Lines that follow a certain place of a log are there once, whatever a crash has left of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared import failpoints
from shared.errors import BadMessage, SetupError
from shared.labels.line_log import LineFollower, extend
from shared.labels.numbered_line import numbered


def lines(first: int, *words: str) -> bytes:
    """These decisions with their numbers."""
    contents = (b'{"word":"%b"}' % word.encode() for word in words)
    return b"".join(numbered(content, number) for number, content in enumerate(contents, first))


BEFORE, LINES = lines(1, "before"), lines(2, "one", "two")


@pytest.mark.parametrize("others", [(), ("other",)])
def test_lines_are_there_whole_after_every_part_of_them(
    tmp_path: Path, others: tuple[str, ...]
) -> None:
    log, first = tmp_path / "log", 2 + len(others)
    there = lines(first, "one", "two")
    for written in range(len(LINES) + 1):
        log.write_bytes(BEFORE + lines(2, *others) + there[:written])
        twice = others and len(lines(first, "one")) <= written < len(there)  # one decision
        expected = lines(1, "before", *others, *["one"] * bool(twice), "one", "two")
        for _ in range(2):
            extend(log, len(BEFORE), LINES)
            assert log.read_bytes() == expected, written


def test_lines_without_numbers_get_them_and_are_there_once(tmp_path: Path) -> None:
    """As an update of 0.2.0 left them, whose log has no end of a line."""
    log, plain = tmp_path / "log", b'{"word":"one"}\n{"word":"two"}\n'
    log.write_bytes(b'{"word":"before"}')
    for _ in range(2):
        extend(log, len(b'{"word":"before"}'), b"\n" + plain)
        assert log.read_bytes() == b'{"word":"before"}\n' + LINES


def test_a_log_that_was_removed_gets_nothing_but_the_lines(tmp_path: Path) -> None:
    extend(tmp_path / "log", len(BEFORE), LINES)
    assert (tmp_path / "log").read_bytes() == lines(1, "one", "two")


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


def test_a_line_without_its_end_that_grows_is_another_one(tmp_path: Path) -> None:
    log = tmp_path / "log"
    follower = LineFollower(log, decode, lambda line: None)
    log.write_bytes(b"one")
    assert follower.new() == [b"one"]
    log.write_bytes(b"one more\ntwo\n")
    for _ in range(2):
        with pytest.raises(SetupError, match="removed or changed"):
            follower.new()


def decode(line: bytes) -> bytes:
    if not line:
        raise BadMessage("empty")
    return line
