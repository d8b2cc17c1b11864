"""A trainer gets the files whose bytes a person has seen, with labels that can name folders."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from producer.models.corrected_files import corrected_files
from shared.errors import UsageError
from tests.support.images.crc_twins import twin
from tests.support.jobs.decided import correct
from tests.support.jobs.finished_job import finish, options_of

ONE = bytes(range(40))
TWO = twin(ONE, b"two")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Four files of one size and CRC-32: `ONE` in rows 1 and 3, `TWO` in 2 and 4."""
    (tmp_path / "photos").mkdir()
    for n in range(4):
        (tmp_path / f"photos/{n}.png").write_bytes((ONE, TWO)[n % 2])
    finish(options_of(tmp_path, b"photos"))
    return tmp_path / "out.csv"


def test_files_of_equal_size_and_crc_are_found_by_the_rows_of_their_decision(table: Path) -> None:
    correct(table, TWO, "Coat", 2, 4)
    correct(table, ONE, "Bag", 1, 3)
    (table.parent / "photos/0.png").unlink()
    found = {file.label: file for file in corrected_files([table])}
    for label, content, name in (("Bag", ONE, "2.png"), ("Coat", TWO, "1.png")):
        assert found[label].sha256 == hashlib.sha256(content).hexdigest()
        assert found[label].place == bytes(table.parent / "photos" / name)


def test_what_a_person_took_back_is_given_as_such(table: Path) -> None:
    """A model may have learned from it. A decision of another table still holds."""
    correct(table, TWO, "Coat", 2, 4)
    for content, rows in ((ONE, (1, 3)), (TWO, (2, 4))):
        correct(table, content, "Bag", *rows)
        correct(table, content, "", *rows, undo=True)
    assert [line.undo for line in corrected_files([table], undone=True)] == [True, True]
    with pytest.raises(UsageError, match="has no corrections"):
        corrected_files([table])
