"""A row follows the last line with its size and CRC-32; of several pictures that have both, the
last one that has its path, or names its number."""

from __future__ import annotations

from collections.abc import Sequence

from shared.labels.label_line import LabelLine
from shared.labels.labels_so_far import RowLabels
from tests.support.images.crc_twins import twin
from tests.support.jobs.decided import content_of, line_of

ONE = bytes(range(40))
PICTURES = {1: ONE, 2: twin(ONE, b"two")}
SAME = content_of(ONE)


def line(picture: int, label: str, *rows: int, undo: bool = False, path: str = "p") -> LabelLine:
    return line_of(PICTURES[picture], label, rows=rows, undo=undo, path=path)


def labels(lines: Sequence[LabelLine]) -> list[str]:
    """Of rows with the paths `1.png` and so on."""
    decisions = RowLabels(lines)
    images = [decisions.sha256(SAME, row, f"{row}.png".lower) for row in range(1, 5)]
    found = map(decisions.so_far.of, images)
    return ["" if one is None else one.label for one in found]


def test_every_row_with_the_size_and_crc_of_a_picture_has_its_last_decision() -> None:
    assert labels([line(1, "Bag", 1)]) == ["Bag"] * 4
    assert labels([line(1, "Bag", 1), line(1, "Coat", 2)]) == ["Coat"] * 4
    assert labels([line(1, "Bag", 1), line(1, "Bag", 1, undo=True)]) == [""] * 4
    for other in (SAME._replace(size=8), SAME._replace(digest=b"1234")):
        assert RowLabels([line(1, "Bag", 1)]).sha256(other, 1, str) == ""


def test_two_pictures_of_equal_size_and_crc_have_two_decisions() -> None:
    both = [line(1, "Bag", 1, 3), line(2, "Coat", 2)]
    assert labels(both) == ["Bag", "Coat", "Bag", "Coat"]
    assert labels([*both, line(1, "Bag", 1, 3, undo=True)]) == ["", "Coat", "", ""]
    assert labels([*both, line(1, "Boot", 4)]) == ["Boot", "Coat", "Boot", "Boot"]


def test_of_two_such_pictures_a_path_counts_more_than_a_row() -> None:
    """Rows get other numbers when files are added."""
    both = [line(1, "Bag", 1, path="2.png"), line(2, "Coat", 2, path="3.png")]
    assert labels(both) == ["Bag", "Bag", "Coat", "Coat"]


def test_no_decision_comes_back_when_a_later_one_is_taken_back() -> None:
    """The file of row 1 became another picture, which was decided, and taken back."""
    lines = [line(1, "Bag", 1, 2), line(2, "Coat", 1), line(2, "Coat", 1, undo=True)]
    assert labels(lines) == ["", "Bag", "", ""]
