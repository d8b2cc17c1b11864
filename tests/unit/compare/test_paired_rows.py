"""Every row meets the row of the same file, whatever the order of the tables."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from producer.compare.paired_rows import KeyedRow, paired
from producer.rows.row_batch import Row
from shared.image_status import Flag, Status

keys = st.lists(st.sampled_from([b"/a", b"/b", b"/c/a", b"/c/b", b"/d", b"/e"]), max_size=9)


def rows(found: list[bytes]) -> list[KeyedRow]:
    return [
        (key, Row(i, key, (1, 1), b"", Status.OK, Flag.NONE, (0,), (0.5,), ""))
        for i, key in enumerate(found, 1)
    ]


@given(keys, keys)
def test_pairs_are_those_of_a_join(left: list[bytes], right: list[bytes]) -> None:
    """Of a file that a list names several times, any row may meet any: they are of one file."""
    pairs = list(paired(iter(rows(left)), iter(rows(right))))
    assert sorted(pair.a.number for pair in pairs if pair.a) == list(range(1, len(left) + 1))
    assert sorted(pair.b.number for pair in pairs if pair.b) == list(range(1, len(right) + 1))
    together = [pair for pair in pairs if pair.a and pair.b]
    assert all(pair.a.name == pair.b.name for pair in together if pair.a and pair.b)
    found = Counter(pair.a.name for pair in together if pair.a)
    assert found == Counter(left) & Counter(right)
