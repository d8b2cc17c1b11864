"""A log that grows is read line by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import BadMessage, SetupError
from shared.labels.line_log import LineFollower


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
