"""`--undo` removes a copy only if its original is equal to it, byte for byte: two files may have
one size and one CRC-32."""

from __future__ import annotations

from pathlib import Path

import pytest

from producer.sort_log.log import Way
from producer.sorting import folders, sort
from producer.sorting.undo import SOURCE_GONE
from shared.errors import Exit
from tests.support.jobs import sorted_job
from tests.support.jobs.sorted_job import tree

FILES = {"a/1.png": b"the only photo of its day", "b/2.png": b"another"}
#: The polynomial of CRC-32: a change by these bits leaves the checksum as it is.
SAME_CRC = 0x1DB710641


def twin(data: bytes) -> bytes:
    """Another content of the same size and CRC-32."""
    head = int.from_bytes(data[:5], "little") ^ SAME_CRC
    return head.to_bytes(5, "little") + data[5:]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return sorted_job.make(tmp_path, FILES)


@pytest.fixture
def out(table: Path) -> Path:
    sort.sort(table, table.parent / "sorted", Way.COPY)
    return table.parent / "sorted"


def test_the_last_true_copy_is_kept_and_named(table: Path, out: Path) -> None:
    original = table.parent / "in/a/1.png"
    original.write_bytes(twin(FILES["a/1.png"]))
    before = tree(out)
    found = sort.undo(out)
    (name,) = (name for name, content in before.items() if content == FILES["a/1.png"])
    assert found.exit_code == Exit.SOME_FAILED
    assert (found.stay, found.first) == ({SOURCE_GONE: 1}, {SOURCE_GONE: name})
    assert tree(out) == {name: FILES["a/1.png"]}
    original.write_bytes(FILES["a/1.png"])
    assert sort.undo(out).exit_code == Exit.OK
    assert tree(table.parent / "in") == FILES
    assert not out.exists()


def test_a_copy_that_is_replaced_after_its_check_is_kept(
    table: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that is removed is the one that was compared."""
    (place,) = (path for path in out.rglob("1.png"))
    compared = folders.content_at

    def replace(spot: folders.Spot) -> object:
        content = compared(spot)
        if place.exists():
            place.unlink()
            place.write_bytes(twin(FILES["a/1.png"]))
        return content

    monkeypatch.setattr("producer.sorting.undo.content_at", replace)
    assert SOURCE_GONE in sort.undo(out).stay
    assert place.read_bytes() == twin(FILES["a/1.png"])
