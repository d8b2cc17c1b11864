"""A row follows the last line with its size and CRC-32; of several pictures that have both, the
last one that has its path, or names its number."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from shared.labels.correction import Content, Correction
from shared.labels.decided_rows import DecidedRows

SAME = Content(9, bytes.fromhex("04030201"))


def line(
    key: int, label: str, rows: Sequence[int] = (), undo: bool = False, path: str = "elsewhere"
) -> Correction:
    return Correction(
        f"{key:064x}", path, 1, "Coat", label, "ada", 9, "01020304", "now", undo, list(rows)
    )


def labels(lines: list[Correction], rows: int = 4) -> list[str]:
    """Of rows with the paths `1.png` and so on."""
    decided = DecidedRows()
    for one in lines:
        decided.add(one)
    found = [decided.of(SAME, row, f"{row}.png".lower) for row in range(1, rows + 1)]
    return ["" if one is None else one.label for one in found]


def test_every_row_with_the_size_and_crc_of_a_picture_has_its_last_decision() -> None:
    assert labels([line(1, "Bag", [1])]) == ["Bag"] * 4
    assert labels([line(1, "Bag", [1]), line(1, "Coat", [2])]) == ["Coat"] * 4
    assert labels([line(1, "Bag", [1]), line(1, "Bag", [1], undo=True)]) == [""] * 4
    for other in (SAME._replace(size=8), SAME._replace(digest=b"1234")):
        decided = DecidedRows()
        decided.add(line(1, "Bag", [1]))
        assert decided.of(other, 1, str) is None


def test_two_pictures_of_equal_size_and_crc_have_two_decisions() -> None:
    both = [line(1, "Bag", [1, 3]), line(2, "Coat", [2])]
    assert labels(both) == ["Bag", "Coat", "Bag", "Coat"]
    assert labels([*both, line(1, "Bag", [1, 3], undo=True)]) == ["", "Coat", "", ""]
    assert labels([*both, line(1, "Boot", [4])]) == ["Boot", "Coat", "Boot", "Boot"]


def test_of_two_such_pictures_a_path_counts_more_than_a_row() -> None:
    """Rows get other numbers when files are added."""
    both = [line(1, "Bag", [1], path="2.png"), line(2, "Coat", [2], path="3.png")]
    assert labels(both) == ["Bag", "Bag", "Coat", "Coat"]


def test_no_decision_comes_back_when_a_later_one_is_taken_back() -> None:
    """The file of row 1 became another picture, which was decided, and taken back."""
    lines = [line(1, "Bag", [1, 2]), line(2, "Coat", [1]), line(2, "Coat", [1], undo=True)]
    assert labels(lines) == ["", "Bag", "", ""]


def test_a_label_that_is_taken_back_leaves_the_names_that_are_excluded() -> None:
    """Also after the person had given one of them."""
    excluding = msgspec.structs.replace(line(1, "", [1, 2]), excluded=("Coat",))
    given_ = msgspec.structs.replace(excluding, label="Coat")
    back = msgspec.structs.replace(given_, undo=True)
    decided = DecidedRows()
    for one, excludes in ((excluding, True), (given_, False), (back, True)):
        decided.add(one)
        found = decided.of(SAME, 2, str)
        assert found is not None
        assert (found.label, found.excludes("Coat")) == ("" if excludes else "Coat", excludes)
    assert decided.taken_back == [back]


def test_what_was_taken_back_and_not_decided_since_is_known() -> None:
    decided = DecidedRows()
    back = line(2, "Coat", [2], undo=True)
    for one in (line(1, "Bag", [1]), line(2, "Coat", [2]), back):
        decided.add(one)
    assert decided.taken_back == [back]
