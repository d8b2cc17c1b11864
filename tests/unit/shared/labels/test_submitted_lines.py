"""A request and a version have exactly the lines that they were made of."""

from __future__ import annotations

import pytest

from shared.errors import BadMessage
from shared.labels.label_line import LabelLine, placed
from shared.labels.submitted_lines import decode_input, decode_lines, encode_lines, input_sha256
from tests.support.jobs.decided import line_of

LINES = sorted(
    [placed(line_of(b"a", "coat"), b"/p/\xff\\1.jpg"), line_of(b"b", "hat", undo=True)],
    key=lambda line: line.sha256,
)


def test_the_lines_of_a_request_are_those_that_were_submitted() -> None:
    data = encode_lines(reversed(LINES))
    assert decode_input(data, input_sha256(data)) == LINES
    assert decode_input(None, input_sha256(None)) == []
    assert decode_input(data, "") == []


@pytest.mark.parametrize("data", [None, b"", encode_lines([])])
def test_other_lines_are_refused(data: bytes | None) -> None:
    with pytest.raises(BadMessage, match="not those that were submitted"):
        decode_input(data, input_sha256(encode_lines(LINES)))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.replace(b"coat", b"goat"),
        lambda data: data[data.index(b"\n") + 1 :],
        lambda data: data + data,
        lambda data: b"[]",
    ],
)
def test_a_damaged_block_is_refused(damage: object) -> None:
    data = damage(encode_lines(LINES))  # type: ignore[operator]
    with pytest.raises(BadMessage):
        decode_lines(data)
    with pytest.raises(BadMessage, match="submit them again"):
        decode_input(data, input_sha256(data))


@pytest.mark.parametrize("path", [b"/p/1.jpg", "/Fotos/Mütze.jpg".encode(), b"/a\\x41/\xff\n"])
def test_a_place_is_any_absolute_path(path: bytes) -> None:
    (line,) = decode_lines(encode_lines([placed(LINES[0], path)]))
    assert line.place == path


@pytest.mark.parametrize("path", ["", "photos/a.jpg", "\\", "C:\\a", "Mütze.png"])
def test_a_path_as_it_was_typed_is_no_place(path: str) -> None:
    assert LabelLine(kind="label", path=path).place == b""
