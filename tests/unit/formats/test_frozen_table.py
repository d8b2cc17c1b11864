"""The product's tables have the bytes of a copy that no change of the product moves."""

from __future__ import annotations

from hypothesis import given

from producer.rows.row_batch import RowBatch
from shared.messages.model_card import Card
from tests.support.jobs.frozen_table import FrozenTable
from tests.unit.formats.test_text_format import Row, csv_rows, packed, tables


@given(tables())
def test_the_bytes_of_a_table_are_those_of_69e60f4f(
    given_: tuple[Card, int, bool, int, list[Row]],
) -> None:
    card, top_k, every, k, rows = given_
    names, statuses, predictions, flags = map(list, zip(*rows, strict=True))
    result = packed(k, statuses, predictions, flags if any(flags) else [])
    product, frozen = csv_rows(card, top_k, every), FrozenTable(card, top_k, every)
    assert product.first_line == frozen.header
    batch = RowBatch(b"\0".join(names), result)
    assert product.lines(batch) == "".join(frozen.rows(names, result))
