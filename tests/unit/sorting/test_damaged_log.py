"""A damaged log: what it does not say stays and is counted, and nothing else is touched."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from producer.sort_log import sorted_folder
from producer.sort_log.log import FORMAT, Started, Way
from producer.sorting import placing, sort
from producer.sorting.undo import DAMAGED
from producer.sources import row_files
from shared.errors import SetupError
from tests.support.jobs import sorted_job
from tests.support.jobs.finished_job import ID, options_of
from tests.support.jobs.sorted_job import tree

FILES = {
    f"{folder}/{i}.png": b"%d of %s" % (i, folder.encode()) for folder in "ab" for i in range(3)
}
Lines = list[bytes]


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lines 1, 4, 7, ... state what is placed; two images in each of the others' batches."""
    monkeypatch.setattr(placing, "BATCH_FILES", 2)
    sort.sort(sorted_job.make(tmp_path, FILES), tmp_path / "sorted", Way.MOVE)
    return tmp_path / "sorted"


def log_path() -> Path:
    (log,) = sorted_folder.logs_of(ID)
    return log.path


def flipped(lines: Lines, number: int) -> Lines:
    line = bytearray(lines[number - 1])
    line[len(line) // 2] ^= 1
    return [*lines[: number - 1], bytes(line), *lines[number:]]


#: The change of a log, and how many images are not taken back.
DAMAGES: dict[str, tuple[Callable[[Lines], Lines], int, int]] = {
    "its first line": (lambda lines: flipped(lines, 1), 1, 0),
    "an image": (lambda lines: flipped(lines, 2), 1, 1),
    "two images": (lambda lines: flipped(flipped(lines, 2), 3), 2, 2),
    "what was placed": (lambda lines: flipped(lines, 4), 1, 0),
    "its last line": (lambda lines: flipped(lines, len(lines)), 1, 0),
    "a missing line": (lambda lines: [*lines[:2], *lines[3:]], 1, 1),
    "missing lines at the start": (lambda lines: lines[3:], 3, 2),
    "a repeated line": (lambda lines: [*lines[:3], lines[1], *lines[3:]], 0, 0),
    "two exchanged lines": (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], 1, 1),
    "a line of another file": (lambda lines: [*lines[:2], b"text\n", *lines[3:]], 1, 1),
    "its end": (lambda lines: [*lines[:-1], lines[-1][:20]], 0, 0),
    "no byte": (lambda lines: lines, 0, 0),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_cannot_be_undone_is_counted_and_nothing_else_is_touched(
    out: Path, damage: str
) -> None:
    change, missing, staying = DAMAGES[damage]
    log, before = log_path(), tree(out)
    log.write_bytes(b"".join(change(log.read_bytes().splitlines(keepends=True))))
    found = sort.undo(out)
    assert found.stay == ({DAMAGED: missing} if missing else {})
    assert all(line.startswith(f"{log}:") for line in found.first.values())
    assert found.count == len(FILES) - staying
    back = tree(out.parent / "in")
    assert len(back) == len(FILES) - staying
    assert back.items() <= FILES.items()
    assert len(tree(out)) == staying
    assert tree(out).items() <= before.items()
    assert log.exists() == bool(missing)


def test_a_last_line_without_its_end_is_refused_until_it_has_one(out: Path, tmp_path: Path) -> None:
    log = log_path()
    log.write_bytes(log.read_bytes()[:-1] + b"*")
    before = tree(tmp_path)
    with pytest.raises(SetupError, match=f"^{log}: the line is damaged.*with: echo >> {log}$"):
        sort.undo(out)
    assert tree(tmp_path) == before
    log.write_bytes(log.read_bytes() + b"\n")
    assert sort.undo(out).stay == {DAMAGED: 1}
    assert tree(tmp_path / "in") == FILES


def test_no_flipped_bit_moves_an_image_elsewhere(out: Path, tmp_path: Path) -> None:
    """The end of the last line is left out: without it, undo is refused."""
    images, log, chosen = tmp_path / "in", log_path(), random.Random(3)
    whole = log.read_bytes()
    for place in ("out", "state"):
        source = out if place == "out" else log.parent
        shutil.copytree(source, tmp_path / f"{place} kept", copy_function=os.link)
    for _ in range(60):
        at, bit = chosen.randrange(len(whole) - 1), chosen.randrange(8)
        log.unlink()
        log.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
        assert sort.undo(out).count >= len(FILES) - 2
        assert tree(images).items() <= FILES.items()
        assert len(tree(images)) + len(tree(out) if out.exists() else {}) == len(FILES)
        shutil.rmtree(images)
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(log.parent)
        images.mkdir()
        shutil.copytree(tmp_path / "out kept", out, copy_function=os.link)
        shutil.copytree(tmp_path / "state kept", log.parent)


def test_others_name_the_line_and_the_remedy(out: Path, tmp_path: Path) -> None:
    log = log_path()
    log.write_bytes(b"".join(flipped(log.read_bytes().splitlines(keepends=True), 2)))
    before, line = tree(tmp_path), f"^{log}:2: the line is damaged or missing.*--undo {out}"
    for act in (sort.sort, sort.rehearse):
        with pytest.raises(SetupError, match=line):
            act(tmp_path / "out.csv", out, Way.MOVE)
    with pytest.raises(SetupError, match=line):
        row_files.of_table(tmp_path / "out.csv", options_of(tmp_path, b"in")).__enter__()
    assert tree(tmp_path) == before


def test_a_record_that_was_lost_is_not_replaced_by_an_empty_file(out: Path) -> None:
    """The log alone takes back what it can."""
    log = log_path()
    log.write_bytes(b"".join(flipped(log.read_bytes().splitlines(keepends=True), 2)))
    (record,) = (path for path in log.parent.iterdir() if path != log)
    record.unlink()
    assert sort.undo(out).stay == {DAMAGED: 1}
    assert [*log.parent.iterdir()] == [log]


def test_a_log_of_another_version_is_refused(out: Path, tmp_path: Path) -> None:
    (log,) = sorted_folder.logs_of(ID)
    assert log.started is not None
    with pytest.raises(SetupError, match="another version of Hangtag"):
        log.write([Started(FORMAT + 1, Way.MOVE, log.started.rule, 0.0)])
    before = tree(tmp_path)
    with pytest.raises(SetupError, match=f"^{log.path} was written by another version"):
        sort.undo(out)
    assert tree(tmp_path) == before
