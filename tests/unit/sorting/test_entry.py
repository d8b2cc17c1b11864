"""The cells of an entry are those of a file below the folder, or none."""

from __future__ import annotations

import pytest

from producer.sort_log.entry import ClassifiedContent, Malformed, entry_of

CELLS = (1, 2, "move", 1, b"/in/a.png", "Bag", b"a.png", 3, b"crc!", 9)


def test_an_entry_has_the_cells_that_were_stored() -> None:
    entry = entry_of(CELLS)
    assert (entry.key, entry.source, entry.folder) == ((1, 2), b"/in/a.png", "Bag")
    assert (entry.name, entry.content, entry.inode) == (b"a.png", ClassifiedContent(3, b"crc!"), 9)


@pytest.mark.parametrize(
    ("cell", "value", "why"),
    [
        (0, "1", "a cell of another type"),
        (9, None, "a cell of another type"),
        (2, "take", "an unknown state"),
        (3, 7, "an unknown state"),
        (4, b"in/a.png", "a source that is no plain path"),
        (4, b"/", "a source that is no plain path"),
        (4, b"/in//a.png", "a source that is no plain path"),
        (4, b"/in/./a.png", "a source that is no plain path"),
        (4, b"/in/../a.png", "a source that is no plain path"),
        (4, b"/in/a\0.png", "a source that is no plain path"),
        (5, "", "a place outside the folder"),
        (5, "..", "a place outside the folder"),
        (5, "Bag/..", "a place outside the folder"),
        (6, b".", "a place outside the folder"),
        (6, b"../a.png", "a place outside the folder"),
        (6, b"a\0.png", "a place outside the folder"),
    ],
)
def test_cells_that_lead_elsewhere_are_no_entry(cell: int, value: object, why: str) -> None:
    with pytest.raises(Malformed, match=f"^has {why}"):
        entry_of((*CELLS[:cell], value, *CELLS[cell + 1 :]))
