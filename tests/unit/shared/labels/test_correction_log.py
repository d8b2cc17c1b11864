"""Every decision that was reported as saved is read again, whatever a crash left behind it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import file_lock
from shared.errors import BadMessage, SetupError
from shared.labels import correction_log
from shared.labels.class_folders import problem_beside
from shared.labels.correction import Correction, decode, encode, in_force
from shared.labels.numbered_line import numbered
from tests.support.durability import syscall_trace
from tests.support.durability.disk_model import Disk

LETTERS = st.characters(codec="utf-8", categories=("L", "N"))
LABELS = st.text(LETTERS, max_size=40).map(lambda text: f"a {text}b")
KEYS = st.integers(0, 3).map(lambda key: f"{key:064x}")


@st.composite
def decisions(draw: st.DrawFn) -> Correction:
    return Correction(
        sha256=draw(KEYS),
        path=draw(st.text()),
        row=draw(st.integers(1, 10**6)),
        guess=draw(st.text()),
        label=draw(LABELS),
        by=draw(st.text()),
        size=draw(st.integers(0, 2**40)),
        crc32=f"{draw(st.integers(0, 2**32 - 1)):08x}",
        at="2026-01-01T00:00:00+00:00",
        undo=draw(st.booleans()),
        rows=draw(st.none() | st.lists(st.integers(1, 10**6), max_size=3)),
        excluded=tuple(draw(st.lists(LABELS, max_size=2))),
    )


CORRECTION = Correction("0" * 64, "a.png", 1, "Coat", "Shirt", "ada", 9, "00000000", "now")


@given(decisions())
def test_a_line_is_one_decision(decision: Correction) -> None:
    line = encode(decision)
    assert line.count(b"\n") == 1
    assert decode(line) == decision


def test_a_line_may_exclude_names_alone_and_otherwise_is_as_older_versions_read_it(
    tmp_path: Path,
) -> None:
    """A name that is excluded need not be one that a label can have."""
    assert b"excluded" not in encode(CORRECTION)
    path = tmp_path / "t.csv.corrections.jsonl"
    excluding = msgspec.structs.replace(CORRECTION, label="", excluded=("etc.", "Coat"))
    correction_log.append(path, [excluding])
    assert correction_log.read(path) == [excluding]
    assert excluding.excludes("Coat")
    assert not msgspec.structs.replace(excluding, label="Coat").excludes("Coat")


@given(st.lists(st.lists(decisions(), min_size=1, max_size=3), max_size=4), st.data())
def test_saved_decisions_survive_a_torn_line(
    tmp_path_factory: pytest.TempPathFactory, saved: list[list[Correction]], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("log") / "t.csv.corrections.jsonl"
    expected: list[Correction] = []
    for group in saved:
        correction_log.append(path, group)
        expected += group
        assert correction_log.read(path) == expected
        torn = encode(data.draw(decisions()))
        cut = data.draw(st.integers(0, len(torn) - 2))  # the whole line is a decision
        with path.open("ab") as file:
            file.write(torn[:cut])
        assert correction_log.read(path) == expected


@given(decisions(), decisions())
def test_a_last_line_without_an_end_counts(
    tmp_path_factory: pytest.TempPathFactory, edited: Correction, later: Correction
) -> None:
    path = tmp_path_factory.mktemp("log") / "t.csv.corrections.jsonl"
    path.write_bytes(encode(edited).rstrip(b"\n"))
    assert correction_log.read(path) == [edited]
    correction_log.append(path, [later])
    assert correction_log.read(path) == [edited, later]


@given(st.lists(decisions()))
def test_the_last_decision_of_a_picture_holds(found: list[Correction]) -> None:
    expected: dict[str, Correction] = {}
    for decision in found:
        expected.pop(decision.sha256, None)
        if not decision.undo:
            expected[decision.sha256] = decision
    assert in_force(found) == expected


def test_writers_at_once_lose_no_decision(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.corrections.jsonl"
    groups = [
        [Correction(f"{i:064x}", "p", 1, "a", "b", "c", 1, "00000000", "now")] for i in range(40)
    ]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda group: correction_log.append(path, group), groups))
    assert {one.sha256 for one in correction_log.read(path)} == {g[0].sha256 for g in groups}


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        encode(CORRECTION).replace(b"0" * 64, b"0" * 63),
        encode(CORRECTION).replace(b'00000000","at', b'x","at'),
        encode(CORRECTION).replace(b'"Shirt"', b'""'),
        encode(CORRECTION).replace(b'"size":9', b'"size":-9'),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    with pytest.raises(BadMessage):
        decode(line)
    path = tmp_path / "t.csv.corrections.jsonl"
    path.write_bytes(encode(CORRECTION) + line.rstrip(b"\n") + b"\n" + encode(CORRECTION))
    with pytest.raises(SetupError, match=r"corrections\.jsonl:2: "):
        correction_log.read(path)


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.corrections.jsonl"
    correction_log.append(path, [CORRECTION])
    before = path.read_bytes()
    pid = os.fork()
    if not pid:  # in a child, since the limit of a process cannot be raised again
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, len(before) + 10))
        try:
            correction_log.append(path, [CORRECTION])
        except SetupError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    assert path.read_bytes() == before


#: Saves a decision twice, and says so each time.
SAVING = """
import os, sys
from pathlib import Path
from shared.labels import correction_log
from shared.labels.correction import decode
for line in sys.stdin.buffer:
    correction_log.append(Path(sys.argv[1]), [decode(line)])
    os.write(1, b"saved")
"""


def test_a_power_failure_undoes_nothing_that_was_reported_as_saved(tmp_path: Path) -> None:
    path, trace = tmp_path / "log" / "t.csv.corrections.jsonl", tmp_path / "trace"
    path.parent.mkdir()
    command = [*syscall_trace.command(trace), sys.executable, "-c", SAVING, str(path)]
    subprocess.run(command, input=encode(CORRECTION) * 2, check=True, capture_output=True)
    disk, saved = Disk(path.parent), 0
    for call in syscall_trace.calls(trace):
        if call.data == b"saved":
            saved += 1
            assert disk.holds(numbered(encode(CORRECTION), saved), path.name)
            assert disk.at_risk == set()
        disk.apply(call)
    assert saved == 2


def test_a_writer_waits_for_another(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.corrections.jsonl"
    other = os.open(path, os.O_RDWR | os.O_CREAT)
    file_lock.acquire(other)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(correction_log.append, path, [CORRECTION])
        with pytest.raises(TimeoutError):
            writing.result(timeout=0.3)
        assert path.read_bytes() == b""
        os.close(other)
        writing.result(timeout=10)
    assert correction_log.read(path) == [CORRECTION]


OTHERS = [msgspec.structs.replace(CORRECTION, label=label) for label in ("Bag", "Boot")]


@pytest.mark.parametrize("how", ["removed", "replaced", "overwritten", "shortened", "edited"])
def test_a_log_that_has_no_longer_what_was_read_is_an_error(tmp_path: Path, how: str) -> None:
    path, other = tmp_path / "t.csv.corrections.jsonl", tmp_path / "other"
    follower = correction_log.Follower(path)
    correction_log.append(path, [CORRECTION, *OTHERS * 10])  # more than is compared each time
    assert len(follower.new()) == 21
    whole = path.read_bytes()
    if how == "removed":
        path.unlink()
    elif how == "replaced":
        correction_log.append(other, [*OTHERS, *OTHERS])
        other.replace(path)
    elif how == "overwritten":  # as cp does
        path.write_bytes(whole.replace(b"Boot", b"Belt") + whole)
    elif how == "shortened":
        path.write_bytes(whole[:-10])
    else:  # an editor writes another file
        other.write_bytes(whole.replace(b"Shirt", b"Skirt", 1))
        other.replace(path)
    for _ in range(2):
        with pytest.raises(SetupError, match="removed or changed"):
            follower.new()
    other.write_bytes(whole)
    other.replace(path)
    assert follower.new() == []
    correction_log.append(path, OTHERS)
    assert follower.new() == OTHERS


@pytest.mark.parametrize("label", ["../../evil", "unknown", "dot.", "trail ", "con", "a\nb"])
def test_a_label_that_cannot_name_a_folder_is_named_when_it_is_read(
    tmp_path: Path, label: str
) -> None:
    path = tmp_path / "t.csv.corrections.jsonl"
    evil = msgspec.structs.replace(CORRECTION, label=label)
    correction_log.append(path, [CORRECTION, evil])
    with pytest.raises(SetupError, match=r"corrections\.jsonl:2: the label "):
        correction_log.read(path)
    assert correction_log.read(path, problem_beside([label])) == [CORRECTION, evil]
    path.unlink()
    correction_log.append(path, [msgspec.structs.replace(evil, undo=True)])
    assert len(correction_log.read(path)) == 1


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_of_a_newer_version_is_refused_and_stays(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "t.csv.corrections.jsonl"
    newer = encode(CORRECTION).replace(b'{"sha256"', b'{"frames":[1,2],"sha256"').rstrip(b"\n")
    path.write_bytes(encode(CORRECTION) + newer + end)
    with pytest.raises(SetupError, match=r":2: 'frames' is unknown .*; update Hangtag here"):
        correction_log.read(path)
    correction_log.append(path, OTHERS)
    assert newer in path.read_bytes()


def test_a_line_of_an_older_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.corrections.jsonl"
    path.write_text(
        '{"sha256":"' + "0" * 64 + '","path":"a.png","row":1,"guess":"Coat","label":"Shirt",'
        '"by":"ada","size":9,"crc32":"00000000","at":"now","undo":false}\n'
    )
    assert correction_log.read(path) == [CORRECTION]


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.corrections.jsonl"
    path.symlink_to(tmp_path / "other")
    with pytest.raises(SetupError):
        correction_log.append(path, [CORRECTION])
    assert not (tmp_path / "other").exists()


def test_a_decision_that_is_taken_back_needs_no_label() -> None:
    line = msgspec.structs.replace(CORRECTION, label="", undo=True)
    assert decode(encode(line)) == line
    with pytest.raises(BadMessage, match="label is empty"):
        decode(encode(msgspec.structs.replace(line, undo=False)))
