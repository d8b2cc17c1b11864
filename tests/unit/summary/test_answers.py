"""What came out of a job, counted batch by batch, equals what a reader of its table counts."""

from __future__ import annotations

import csv
from array import array
from collections import Counter
from io import StringIO

from hypothesis import given
from hypothesis import strategies as st

from producer.journal.job_properties import decode_answers, encode_answers
from producer.output.csv_cells import escape
from producer.rows.acceptance import doubtless
from producer.rows.columns import table_columns
from producer.rows.row_batch import AS_CLASSIFIED, RowBatch
from producer.summary.answer_counter import AnswerCounter
from shared.image_status import BY_CODE
from shared.labels.class_folders import folder_of
from shared.messages.batch import BatchResult
from shared.registry import packaged
from tests.unit.formats.test_text_format import CsvText

CARD = packaged.card()
FOLDERS = [*(folder_of(label) for label in CARD.labels), "misc", "Bag/inner", ""]

Row = tuple[str, int, float, int, int]
rows = st.tuples(
    st.sampled_from(FOLDERS),
    st.integers(0, len(CARD.labels) - 1),
    st.floats(0.125, 1, width=32),
    st.sampled_from([0, 0, 0, 1, 2]),
    st.sampled_from([0, 0, 0, 1, 2]),
)


def batch(found: list[Row], first: int) -> RowBatch:
    """Names and results of rows; a failed row holds zeros, as a worker writes it."""
    names = [f"{one[0]}/{first + i}.png".lstrip("/").encode() for i, one in enumerate(found)]
    good = [(i, p, f) if not code else (0, 0.0, 0) for _, i, p, code, f in found]
    result = BatchResult(
        1,
        bytes(one[3] for one in found),
        array("H", (i for i, _, _ in good)).tobytes(),
        array("f", (p for _, p, _ in good)).tobytes(),
        bytes(f for _, _, f in good),
    )
    return RowBatch(b"\0".join(names), result)


@given(st.lists(st.lists(rows, min_size=1, max_size=12), min_size=1, max_size=4))
def test_the_counts_are_those_of_the_table(batches: list[list[Row]]) -> None:
    counter, table = AnswerCounter(CARD), CsvText(table_columns(CARD, AS_CLASSIFIED))
    text, exact = table.first_line, list[float]()
    for number, found in enumerate(batches):
        some = batch(found, 100 * number)
        counter.add(some)
        text += table.lines(some)
        exact += [one[2] for one in found]
    counted = counter.counted()
    lines = list(csv.DictReader(StringIO(text)))
    good = [line for line in lines if line["status"] == "ok"]
    assert counted.labels == Counter(line["label"] for line in good)
    rule, number_of = doubtless(CARD), {label: i for i, label in enumerate(CARD.labels)}
    unsure = Counter(
        line["label"]
        for line, confidence in zip(lines, exact, strict=True)
        if line["status"] == "ok"
        and not rule.accepts(number_of[line["label"]], confidence, bool(line["flag"]))
    )
    assert counted.doubtful == unsure
    bad = [line for line in lines if line["status"] != "ok"]
    assert {s: f.count for s, f in counted.failures.items()} == Counter(
        row["status"] for row in bad
    )
    for status, failures in counted.failures.items():
        assert failures.first == next(row["path"] for row in bad if row["status"] == status)
    folders = {folder_of(label): label for label in CARD.labels}
    named = [(folders.get(("/" + row["path"]).split("/")[-2]), row["label"]) for row in good]
    assert counted.in_label_folders == sum(truth is not None for truth, _ in named)
    assert counted.as_folder == sum(truth == label for truth, label in named)
    assert decode_answers(encode_answers(counted)) == counted


def test_a_first_failed_file_is_named_as_in_the_table() -> None:
    counter = AnswerCounter(CARD)
    status = BY_CODE.index("missing")
    counter.add(RowBatch(b"a\xff\n.png", BatchResult(1, bytes([status]), bytes(2), bytes(4))))
    assert counter.counted().failures["missing"].first == escape(b"a\xff\n.png")
