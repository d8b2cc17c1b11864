"""Rows in Python are read in bounded memory, and a damaged journal is one sentence."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

import hangtag
from tests.support.jobs import planted_journal

#: More than a batch of rows takes, and much less than all of them.
SLACK_BYTES = 600_000
BATCH = 256


def peak(rows: Iterator[hangtag.Row]) -> tuple[int, int]:
    """The number of rows, and the bytes that were in memory at most while they were read."""
    tracemalloc.start()
    count = sum(1 for _ in rows)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return count, most


def test_iteration_takes_the_memory_of_some_rows_however_many_there_are(tmp_path: Path) -> None:
    answers = [(b"in/%06d.png" % i, i % 10, 0.9) for i in range(20 * BATCH)]
    few = planted_journal.plant(tmp_path / "few.csv", answers[:BATCH], batch_images=BATCH)
    many = planted_journal.plant(tmp_path / "many.csv", answers, batch_images=BATCH)
    next(iter(hangtag.open_table(few)))  # imports
    (_, least), (count, most) = (peak(iter(hangtag.open_table(path))) for path in (few, many))
    assert count == len(answers)
    print(f"{least:,} and {most:,} bytes")
    assert most < least + SLACK_BYTES


def test_a_damaged_journal_is_one_sentence(tmp_path: Path) -> None:
    table = planted_journal.plant(tmp_path / "t.csv", [(b"in/a.png", 1, 0.9)] * 5)
    journal = Path(f"{table}.hangtag")
    content = bytearray(journal.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    journal.write_bytes(content)
    with pytest.raises(hangtag.SetupError, match=r"hangtag: .*; start over with --restart"):
        list(hangtag.open_table(table))
