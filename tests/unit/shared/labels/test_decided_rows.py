"""A row follows the last line that names it; older lines hold for equal size and CRC-32."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from shared.labels.correction import Content, Correction, in_force
from shared.labels.decided_rows import DecidedRows

SAME = Content(9, bytes.fromhex("04030201"))


def line(key: int, label: str, rows: list[int] | None = None, undo: bool = False) -> Correction:
    return Correction(
        f"{key:064x}", "a.png", 1, "Coat", label, "ada", 9, "01020304", "now", undo, rows
    )


def labels(lines: list[Correction], rows: int = 4) -> list[str]:
    decided = DecidedRows()
    for one in lines:
        decided.add(one)
    found = [decided.of(SAME, row) for row in range(1, rows + 1)]
    return ["" if one is None else one.label for one in found]


def test_two_pictures_of_equal_size_and_crc_have_two_decisions() -> None:
    both = [line(1, "Bag", [1, 3]), line(2, "Coat", [2])]
    assert labels(both) == ["Bag", "Coat", "Bag", ""]
    assert labels([*both, line(1, "Bag", [1, 3], undo=True)]) == ["", "Coat", "", ""]


def test_a_row_counts_only_while_the_job_has_its_size_and_crc() -> None:
    decided = DecidedRows()
    decided.add(line(1, "Bag", [1]))
    for content in (SAME._replace(size=8), SAME._replace(digest=b"1234")):
        assert decided.of(content, 1) is None


def test_no_decision_comes_back_when_a_later_one_is_taken_back() -> None:
    """The file of row 1 became another picture, which was decided, and taken back."""
    lines = [line(1, "Bag", [1, 2]), line(2, "Coat", [1]), line(2, "Coat", [1], undo=True)]
    assert labels(lines) == ["", "Bag", "", ""]


def test_the_last_line_of_a_picture_names_all_its_rows() -> None:
    assert labels([line(1, "Bag", [1, 2]), line(1, "Coat", [2, 3])]) == ["", "Coat", "Coat", ""]


def test_a_row_of_a_later_line_stays_with_it() -> None:
    lines = [line(1, "Bag", [1, 2]), line(2, "Coat", [1]), line(1, "Boot", [2])]
    assert labels(lines) == ["Coat", "Boot", "", ""]


def test_a_picture_has_one_size() -> None:
    """A log that was edited may name another size for the same SHA-256."""
    other = msgspec.structs.replace(line(1, "Coat"), size=8)
    assert labels([line(1, "Bag"), other]) == [""] * 4


def test_rows_of_older_lines_are_found_by_size_and_crc() -> None:
    assert labels([line(1, "Bag")]) == ["Bag"] * 4
    assert labels([line(1, "Bag"), line(1, "Bag", undo=True)]) == [""] * 4
    assert labels([line(1, "Bag"), line(2, "Coat")]) == ["Coat"] * 4
    assert labels([line(1, "Bag"), line(2, "Coat", [3])]) == ["Bag", "Bag", "Coat", "Bag"]
    assert labels([line(1, "Bag"), line(1, "Bag", [2])]) == ["", "Bag", "", ""]


LINES = st.builds(
    line,
    st.integers(1, 3),
    st.sampled_from(["Bag", "Coat"]),
    st.none() | st.lists(st.integers(1, 4), max_size=3, unique=True),
    st.booleans(),
)


@given(st.lists(LINES, max_size=8))
def test_only_decisions_in_force_hold_and_only_for_rows_that_they_name(
    lines: list[Correction],
) -> None:
    decided = DecidedRows()
    for one in lines:
        decided.add(one)
    assert decided.in_force == in_force(lines)
    assert decided.unproven == sum(one.rows is None for one in in_force(lines).values())
    for row in range(1, 5):
        holds = decided.of(SAME, row)
        if holds is not None:
            assert holds in in_force(lines).values()
            assert holds.rows is None or row in holds.rows
            naming = [one for one in lines if row in (one.rows or ())]
            assert holds.rows is None or naming[-1].sha256 == holds.sha256


@given(st.lists(LINES, max_size=8), LINES)
def test_only_rows_of_the_contents_that_are_returned_have_changed(
    lines: list[Correction], last: Correction
) -> None:
    last = msgspec.structs.replace(last, size=8)
    decided = DecidedRows()
    for one in lines:
        decided.add(one)
    contents = [SAME, last.content]
    before = {(c, row): decided.of(c, row) for c in contents for row in range(1, 5)}
    changed = decided.add(last)
    for (content, row), decision in before.items():
        if content not in changed:
            assert decided.of(content, row) == decision


def test_a_label_that_is_taken_back_leaves_the_names_that_are_excluded() -> None:
    """Also after the person had given one of them."""
    excluding = msgspec.structs.replace(line(1, "", [1, 2]), excluded=("Coat",))
    given_ = msgspec.structs.replace(excluding, label="Coat")
    back = msgspec.structs.replace(given_, undo=True)
    decided = DecidedRows()
    for one, excludes in ((excluding, True), (given_, False), (back, True)):
        decided.add(one)
        found = decided.of(SAME, 2)
        assert found is not None
        assert (found.label, found.excludes("Coat")) == ("" if excludes else "Coat", excludes)
    assert decided.taken_back == [back]


def test_what_was_taken_back_and_not_decided_since_is_known() -> None:
    decided = DecidedRows()
    back = line(2, "Coat", [2], undo=True)
    for one in (line(1, "Bag", [1]), line(2, "Coat", [2]), back):
        decided.add(one)
    assert decided.taken_back == [back]
