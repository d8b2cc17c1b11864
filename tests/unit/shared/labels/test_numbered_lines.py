"""Lines of decisions have numbers and checksums: no damage changes a decision unnoticed.

The expected lines are computed here, from the documented form.
"""

from __future__ import annotations

import json
import logging
import subprocess
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import SetupError
from shared.labels import correction_log, given_label
from shared.labels.correction import Correction
from shared.labels.given_label import GivenLabel, LabelLine, RenamedLabel
from shared.labels.labels_file import LabelsFile
from shared.labels.line_log import LineFollower

Decision: TypeAlias = Correction | LabelLine
TEXTS = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(
    [',"line":1', '"}', "\n"]
)
KEYS = st.integers(0, 3).map(lambda key: f"{key:064x}")
SIZES = st.integers(0, 999)


def append_labels(path: Path, lines: Sequence[Decision]) -> None:
    file = LabelsFile(path)
    try:
        file.append([line for line in lines if not isinstance(line, Correction)])
    finally:
        file.close()


def append_corrections(path: Path, lines: Sequence[Decision]) -> None:
    correction_log.append(path, [line for line in lines if isinstance(line, Correction)])


def read_labels(path: Path) -> list[Decision]:
    return [*LineFollower(path, given_label.decode, given_label.check).new()]


class Kind(NamedTuple):
    """A kind of file."""

    append: Callable[[Path, Sequence[Decision]], None]
    read: Callable[[Path], Sequence[Decision]]
    lines: st.SearchStrategy[Decision]


CORRECTIONS = st.builds(
    Correction, KEYS, TEXTS, st.integers(1, 9), TEXTS, st.sampled_from(["Bag", "Mütze"]), TEXTS,
    SIZES, st.just("0badcafe"), TEXTS, st.booleans(),
    st.none() | st.lists(st.integers(1, 99), max_size=2),
)  # fmt: skip
NAMED = st.builds(
    GivenLabel, KEYS, TEXTS, st.sampled_from(["Bag", "Mütze"]), TEXTS, SIZES, st.just("0badcafe"),
    TEXTS, st.booleans(), st.sampled_from(["label", "not-this"]), st.booleans(),
    st.sampled_from(["", "Coat/"]),
)  # fmt: skip
RENAMED = st.builds(RenamedLabel, st.just("Bag"), st.just("Hat"), TEXTS, TEXTS, st.booleans())
KINDS = {
    "labels": Kind(append_labels, read_labels, NAMED | RENAMED),
    "corrections": Kind(append_corrections, correction_log.read, CORRECTIONS),
}
DRAWN = st.sampled_from(sorted(KINDS)).flatmap(
    lambda name: st.tuples(
        st.just(KINDS[name]),
        st.lists(KINDS[name].lines, max_size=2),
        st.lists(KINDS[name].lines, min_size=1, max_size=4),
    )
)
Drawn: TypeAlias = tuple[Kind, list[Decision], list[Decision]]


def old(line: Decision) -> bytes:
    """As 0.2.0 wrote it."""
    fields = {name: getattr(line, name) for name in line.__struct_fields__}
    for later in ("taken_from", "excluded"):
        if not fields.get(later):
            fields.pop(later, None)
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def numbered(line: bytes, number: int) -> bytes:
    """The documented form of a line of 0.2.0."""
    start = line.rstrip(b"\n")[:-1] + b',"line":' + str(number).encode()
    return start + b',"check":"' + f"{zlib.crc32(start):08x}".encode() + b'"}\n'


def whole(first: Sequence[Decision], later: Sequence[Decision]) -> list[bytes]:
    """The lines of a file that 0.2.0 began."""
    begun = [old(line) for line in first]
    return begun + [numbered(old(line), n) for n, line in enumerate(later, len(begun) + 1)]


def refused(path: Path, kind: Kind, content: bytes) -> str:
    """The error of a file with this content, which stays as it is; empty if it is read."""
    path.write_bytes(content)
    try:
        kind.read(path)
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
    kind, first, later = drawn
    path.write_bytes(b"".join(map(old, first)))
    for line in later[:1], later[1:]:
        kind.append(path, line)
    assert path.read_bytes() == b"".join(whole(first, later))
    assert kind.read(path) == [*first, *later]


def fixed(kind: str) -> list[Decision]:
    if kind == "labels":
        image = GivenLabel("a" * 64, "p/1.jpg", "Bag", "ada", 9, "0badcafe", "2026")
        return [image, RenamedLabel("Bag", "Hat", "ada", "2026")]
    return [
        Correction(key * 64, "p/1.jpg", n, "Shirt", "Bag", "ada", 9, "0badcafe", "2026", rows=[n])
        for n, key in enumerate("ab", 1)
    ]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("unproven", [0, 1])
def test_every_flipped_bit_is_noticed_or_changes_nothing(
    tmp_path: Path, name: str, unproven: int
) -> None:
    lines = fixed(name)
    parts = whole(lines[:unproven], [*lines[unproven:], *lines])
    content, start = b"".join(parts), sum(map(len, parts[:unproven]))
    kind = KINDS[name]
    for place in range(start, len(content)):
        for bit in range(8):
            why = refused(tmp_path / "p", kind, with_flipped(content, place, bit))
            assert f"{tmp_path / 'p'}:" in why
            assert "\n" not in why


def with_flipped(content: bytes, place: int, bit: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]


@given(DRAWN, st.data())
def test_a_flipped_bit_of_any_file_is_noticed_or_changes_nothing(
    path: Path, drawn: Drawn, data: st.DataObject
) -> None:
    kind, first, later = drawn
    parts = whole(first, later)
    content, start = b"".join(parts), sum(map(len, parts[: len(first)]))
    place = data.draw(st.integers(start, len(content) - 1))
    flipped = with_flipped(content, place, data.draw(st.integers(0, 7)))
    assert refused(path, kind, flipped) or kind.read(path) == [*first, *later]


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
    kind, first, later = drawn
    for parts in disordered(whole(first, later), len(first)):
        why = refused(path, kind, b"".join(parts))
        assert f"{path}:" in why
        assert "\n" not in why


@pytest.mark.parametrize("name", KINDS)
def test_an_end_that_is_torn_at_any_byte_is_skipped_and_said(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    kind, lines = KINDS[name], fixed(name)
    first, last = whole([], lines)
    for cut in range(1, len(last) - 1):
        path = tmp_path / f"{cut}.jsonl"
        path.write_bytes(first + last[:cut])
        caplog.clear()
        for _ in range(2):
            assert kind.read(path) == lines[:1]
        (said,) = caplog.records
        assert said.levelno == logging.WARNING
        assert f"{path}:2: " in said.getMessage()
        kind.append(path, lines[1:])
        assert path.read_bytes() == first + last


@pytest.mark.parametrize("name", KINDS)
def test_a_last_line_without_its_end_counts_and_gets_it(tmp_path: Path, name: str) -> None:
    kind, lines, path = KINDS[name], fixed(name), tmp_path / "p"
    for parts in whole([], lines), whole(lines, []):
        path.write_bytes(b"".join(parts)[:-1])
        assert kind.read(path) == lines
        kind.append(path, lines[:1])
        assert path.read_bytes() == b"".join(parts) + numbered(old(lines[0]), 3)


@pytest.mark.parametrize("name", KINDS)
def test_a_file_is_repaired_with_the_command_that_its_error_names(
    tmp_path: Path, name: str
) -> None:
    kind, lines, path = KINDS[name], fixed(name), tmp_path / "it's p"
    parts = whole([], [*lines, *lines])
    damaged = [parts[0], parts[1].replace(b"ada", b"\xff\xfea"), *parts[2:]]
    for content, left in ((damaged, 3), (parts[1:], 3), (parts + parts, 8)):
        path.write_bytes(b"".join(content))
        with pytest.raises(SetupError) as error:
            kind.read(path)
        command = str(error.value).rpartition(": ")[2]
        subprocess.run(command, shell=True, check=True)
        assert len(kind.read(path)) == left
        kind.append(path, lines)
        assert len(kind.read(path)) == left + 2


def test_lines_of_an_earlier_version_are_counted(tmp_path: Path) -> None:
    lines, path = fixed("corrections"), tmp_path / "p"
    path.write_bytes(b"".join(whole(lines, lines)))
    follower = correction_log.Follower(path)
    follower.new()
    assert follower.unnumbered == 2
    append_corrections(path, lines)
    follower.new()
    assert follower.unnumbered == 2


@pytest.mark.parametrize("name", KINDS)
def test_a_line_that_a_program_wrote_in_another_form_is_none_of_a_newer_version(
    tmp_path: Path, name: str
) -> None:
    (line,) = whole([], fixed(name)[:1])
    why = refused(tmp_path / "p", KINDS[name], json.dumps(json.loads(line)).encode() + b"\n")
    assert "checksum" in why


@pytest.mark.parametrize("number", [b"", b"x", b"-1", b"9" * 5000])
def test_a_checksum_that_is_right_does_not_excuse_a_number_that_is_none(
    tmp_path: Path, number: bytes
) -> None:
    start = old(fixed("corrections")[0])[:-2] + b',"line":' + number
    forged = start + b',"check":"' + f"{zlib.crc32(start):08x}".encode() + b'"}\n'
    assert ":1: " in refused(tmp_path / "p", KINDS["corrections"], forged)
