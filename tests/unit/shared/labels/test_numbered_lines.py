"""Lines of decisions have numbers and checksums: no damage changes a decision unnoticed.

The expected lines are computed here, from the documented form.
"""

from __future__ import annotations

import json
import logging
import subprocess
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import SetupError
from shared.labels.label_line import LabelLine, decode
from shared.labels.labels_file import LabelsFile
from shared.labels.line_log import LineFollower
from tests.support.jobs.decided import line_of

TEXTS = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(
    [',"line":1', '"}', "\n"]
)
NAMES = st.sampled_from(["Bag", "Mütze"])
NAMED = st.builds(
    line_of, st.binary(max_size=1), NAMES, path=TEXTS, by=TEXTS, at=TEXTS, guess=TEXTS,
    undo=st.booleans(), kind=st.sampled_from(["label", "not-this"]), by_chance=st.booleans(),
    rows=st.lists(st.integers(1, 99), max_size=2).map(tuple),
)  # fmt: skip
RENAMED = st.builds(
    LabelLine, kind=st.just("rename"), taken_from=st.just("Bag"), label=st.just("Hat"), by=TEXTS,
    at=TEXTS, undo=st.booleans(),
)  # fmt: skip
LINES = NAMED | RENAMED
DRAWN = st.tuples(st.lists(LINES, max_size=2), st.lists(LINES, min_size=1, max_size=4))
Drawn: TypeAlias = tuple[list[LabelLine], list[LabelLine]]
FIXED = [
    line_of(b"a", "Bag", path="p/1.jpg", rows=(1,), guess="Shirt"),
    LabelLine(kind="rename", taken_from="Bag", label="Hat", by="ada", at="2026"),
]


def append(path: Path, lines: Sequence[LabelLine]) -> None:
    LabelsFile(path, held=False).append(lines)


def read(path: Path) -> list[LabelLine]:
    return LineFollower(path, decode, lambda line: None).new()


def old(line: LabelLine) -> bytes:
    """Without a number, as 0.2.0 wrote it."""
    fields = msgspec.to_builtins(line)
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def numbered(line: bytes, number: int) -> bytes:
    """The documented form of a line of 0.2.0."""
    start = line.rstrip(b"\n")[:-1] + b',"line":' + str(number).encode()
    return start + b',"check":"' + f"{zlib.crc32(start):08x}".encode() + b'"}\n'


def whole(first: Sequence[LabelLine], later: Sequence[LabelLine]) -> list[bytes]:
    """The lines of a file that 0.2.0 began."""
    begun = [old(line) for line in first]
    return begun + [numbered(old(line), n) for n, line in enumerate(later, len(begun) + 1)]


def refused(path: Path, content: bytes) -> str:
    """The error of a file with this content, which stays as it is; empty if it is read."""
    path.write_bytes(content)
    try:
        read(path)
    except SetupError as error:
        return str(error)
    finally:
        assert path.read_bytes() == content
    return ""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lines") / "p.jsonl"


@given(DRAWN)
def test_lines_have_the_documented_form_after_those_of_an_earlier_version(
    path: Path, drawn: Drawn
) -> None:
    first, later = drawn
    path.write_bytes(b"".join(map(old, first)))
    for line in later[:1], later[1:]:
        append(path, line)
    assert path.read_bytes() == b"".join(whole(first, later))
    assert read(path) == [*first, *later]


@pytest.mark.parametrize("unproven", [0, 1])
def test_every_flipped_bit_is_noticed_or_changes_nothing(tmp_path: Path, unproven: int) -> None:
    lines = FIXED
    parts = whole(lines[:unproven], [*lines[unproven:], *lines])
    content, start = b"".join(parts), sum(map(len, parts[:unproven]))
    for place in range(start, len(content)):
        for bit in range(8):
            why = refused(tmp_path / "p", with_flipped(content, place, bit))
            assert f"{tmp_path / 'p'}:" in why
            assert "update Hangtag" not in why
            assert "\n" not in why


def with_flipped(content: bytes, place: int, bit: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]


def disordered(parts: list[bytes], unproven: int) -> Iterator[list[bytes]]:
    """Each line but the last removed; each doubled; each swapped with each other, but for unproven
    ones with each other; and the file twice."""
    for i in range(len(parts)):
        if i < len(parts) - 1:
            yield parts[:i] + parts[i + 1 :]
        yield parts[: i + 1] + parts[i:]
        for j in range(i if i >= unproven else 0):
            swapped = parts.copy()
            swapped[i], swapped[j] = parts[j], parts[i]
            yield swapped
    yield parts + parts


@given(DRAWN)
def test_every_removed_doubled_or_swapped_line_is_noticed(path: Path, drawn: Drawn) -> None:
    first, later = drawn
    for parts in disordered(whole(first, later), len(first)):
        why = refused(path, b"".join(parts))
        assert f"{path}:" in why
        assert "\n" not in why


def test_an_end_that_is_torn_at_any_byte_is_skipped_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = FIXED
    first, last = whole([], lines)
    for cut in range(1, len(last) - 1):
        path = tmp_path / f"{cut}.jsonl"
        path.write_bytes(first + last[:cut])
        caplog.clear()
        for _ in range(2):
            assert read(path) == lines[:1]
        (said,) = caplog.records
        assert said.levelno == logging.WARNING
        assert f"{path}:2: " in said.getMessage()
        append(path, lines[1:])
        assert path.read_bytes() == first + last


@pytest.mark.parametrize(
    "content",
    [b"my notes", b'[1, "precious"]', "notes".encode("utf-16"), b"\xff\xd8\xff\xe0", b" "],
)
def test_another_file_without_a_line_end_is_refused_and_stays(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(SetupError, match=r"notes\.txt:1: "):
        append(path, FIXED)
    assert path.read_bytes() == content


def test_zeros_that_a_crash_has_left_are_skipped(tmp_path: Path) -> None:
    first, last = whole([], FIXED)
    path = tmp_path / "p"
    path.write_bytes(first + bytes(len(last)))
    assert read(path) == FIXED[:1]
    append(path, FIXED[1:])
    assert path.read_bytes() == first + last


def test_a_last_line_without_its_end_counts_and_gets_it(tmp_path: Path) -> None:
    lines, path = FIXED, tmp_path / "p"
    for parts in whole([], lines), whole(lines, []):
        path.write_bytes(b"".join(parts)[:-1])
        assert read(path) == lines
        append(path, lines[:1])
        assert path.read_bytes() == b"".join(parts) + numbered(old(lines[0]), 3)


def test_a_file_is_repaired_with_the_command_that_its_error_names(tmp_path: Path) -> None:
    lines, path = FIXED, tmp_path / "it's p"
    parts = whole([], [*lines, *lines])
    damaged = [parts[0], parts[1].replace(b"ada", b"\xff\xfea"), *parts[2:]]
    for content, left in ((damaged, 3), (parts[1:], 3), (parts + parts, 8)):
        path.write_bytes(b"".join(content))
        with pytest.raises(SetupError) as error:
            read(path)
        command = str(error.value).rpartition(": ")[2]
        subprocess.run(command, shell=True, check=True)
        assert len(read(path)) == left
        append(path, lines)
        assert len(read(path)) == left + 2


def test_lines_of_an_earlier_version_are_counted(tmp_path: Path) -> None:
    lines, path = FIXED, tmp_path / "p"
    path.write_bytes(b"".join(whole(lines, lines)))
    file = LabelsFile(path, held=False)
    assert file.unnumbered == 2
    file.append(lines)
    file.refresh()
    assert file.unnumbered == 2


@pytest.mark.parametrize("number", [b"", b"x", b"-1", b"9" * 5000])
def test_a_checksum_that_is_right_does_not_excuse_a_number_that_is_none(
    tmp_path: Path, number: bytes
) -> None:
    start = old(FIXED[0])[:-2] + b',"line":' + number
    forged = start + b',"check":"' + f"{zlib.crc32(start):08x}".encode() + b'"}\n'
    assert ":1: " in refused(tmp_path / "p", forged)
