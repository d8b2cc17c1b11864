"""The rows of the table equal those of a plain CSV writer."""

from __future__ import annotations

import csv
import io
import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.job.acceptance import Acceptance
from producer.job.columns import COLUMNS, Column, Table, table_columns
from producer.job.journal import Journal
from producer.job.records import FrozenBatch, StoredResult
from producer.job.row_batch import AS_CLASSIFIED, RowBatch, Rules
from producer.table.csv_cells import escape
from producer.table.table_file import TableDraft
from producer.table.table_formats import Sink, Unreadable, loaded
from producer.table.text_format import Csv
from shared.atomic_file import DRAFT_SUFFIX
from shared.image_status import FLAGS, Flag, Status
from shared.messages.batch import BatchResult, JobRecord, encode_result
from shared.messages.model_card import Card, Metrics, Preprocessing
from tests.support.jobs.frozen_table import FrozenTable
from tests.unit.table.test_csv_cells import names

#: No path is empty or holds a NUL.
paths = names.filter(lambda name: name and b"\0" not in name)
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
Prediction = list[tuple[int, float]]  # (label, probability), most probable first
JOB = JobRecord("testjb01", "model", 3, "0" * 64, "litert", 1, "out.csv", "host", 0.0)
Row = tuple[bytes, Status, Prediction, Flag]


def card(labels: tuple[str, ...] = ("a", "b,c", "=d"), name: str = "model") -> Card:
    return Card(
        name, 3, labels, Preprocessing(1, 1, 1), 1.0, Metrics(0.0, 0, 0.0, 0.0), "", 0, 0, 0, "",
        "", "", "", {},
    )  # fmt: skip


def written_as(form: str, table: Table, batches: Sequence[RowBatch]) -> bytes:
    """A table in a form."""
    file = io.BytesIO()
    with closing(loaded(form)(Sink(file.write))) as writer:
        writer.begin(table)
        for batch in batches:
            writer.write(batch)
        writer.end()
    return file.getvalue()


def write_table(journal: Journal, table: Table, output: Path, form: str = "csv") -> None:
    """Write the table of a journal into a file."""
    with closing(TableDraft(table, output, form)) as draft:
        draft.complete(journal)
        draft.place()


def packed(
    k: int, statuses: list[Status], predictions: list[Prediction], flags: list[Flag] | None = None
) -> BatchResult:
    """A result as a worker makes it: failed rows hold zeros."""
    pairs = [
        pair
        for status, prediction in zip(statuses, predictions, strict=True)
        for pair in (prediction if status is Status.OK else [(0, 0.0)] * k)
    ]
    return BatchResult(
        k,
        bytes(status.code for status in statuses),
        struct.pack(f"<{len(pairs)}H", *(label for label, _ in pairs)),
        struct.pack(f"<{len(pairs)}f", *(p for _, p in pairs)),
        bytes(flag.code for flag in flags or []),
    )


def naive(
    card: Card,
    top_k: int,
    every: bool,
    rows: list[Row],
    rule: Acceptance | None = None,
    chosen: tuple[str, ...] = (),
    persons: Mapping[int, str] | None = None,
    excluded: Collection[int] = (),
) -> str:
    """The oracle: a dictionary for each row, a line of the standard library for each."""
    columns = ["path", *chosen]
    if not chosen:
        guess = rule is not None or persons is not None
        columns = [*COLUMNS, *["guess"][:guess], *["source"][: persons is not None]]
    for k in range(2, min(top_k, len(card.labels)) + 1):
        columns += [f"label_{k}", f"confidence_{k}"]
    if every:
        columns += [f"p_{label}" for label in card.labels]
    lines = [written([escape(column.encode()) for column in columns])]
    for i, (name, status, prediction, flag) in enumerate(rows):
        row = {"path": escape(name), "status": status.value, "model": card.ref}
        if status is Status.OK:
            row["flag"] = flag.value
            for k, (label, p) in enumerate(prediction[:top_k], 1):
                suffix = f"_{k}" if k > 1 else ""
                row[f"label{suffix}"] = escape(card.labels[label].encode())
                row[f"confidence{suffix}"] = f"{p:.4f}"
            row["guess"], row["source"] = row["label"], "model"
            best, confidence = prediction[0]
            if persons is not None and i in persons:
                row["label"], row["source"] = escape(persons[i].encode()), "person"
            elif i in excluded or (
                rule is not None and not rule.accepts(best, confidence, flag.code > 0)
            ):
                row["label"] = "unknown"
            if every:
                row |= {f"p_{card.labels[label]}": f"{p:.4f}" for label, p in prediction}
        else:
            row["error"] = status.sentence
        lines.append(written([row.get(column, "") for column in columns]))
    return "".join(lines)


class CsvText(Csv):
    """CSV of a table with these columns, without a file."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        super().__init__(Sink())
        self.begin(Table(columns, Rules(), JOB, card()))
        self.first_line = self.header(columns)


def csv_rows(
    card: Card,
    top_k: int,
    every: bool,
    rules: Rules = AS_CLASSIFIED,
    chosen: tuple[str, ...] = (),
) -> CsvText:
    """What writes the rows of a table."""
    return CsvText(table_columns(card, rules, top_k, every, chosen))


def written(cells: list[str]) -> str:
    """One line; the line terminator makes the writer quote both kinds of line end."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n") + "\n"


class Given(NamedTuple):
    """Labels that people gave to the rows of one batch, by index, and rows whose guess they
    excluded."""

    by_index: Mapping[int, str]
    without: frozenset[int] = frozenset()
    unproven: str = ""

    @property
    def labels(self) -> set[str]:
        return set(self.by_index.values())

    def labels_by_row(self, batch: RowBatch) -> Mapping[int, str]:
        return {i: label for i, label in self.by_index.items() if i < len(batch)}

    def excluded(self, batch: RowBatch) -> bytes:
        return bytes(i in self.without for i in range(len(batch))) if self.without else b""


@st.composite
def displays(draw: st.DrawFn) -> tuple[Rules, tuple[str, ...]]:
    """Thresholds of five labels, or none; labels of people; the chosen columns, none: the
    default."""
    limits = st.lists(st.floats(0, 1, width=32), min_size=5, max_size=5).map(tuple)
    chosen = st.lists(st.sampled_from([*COLUMNS[1:], "guess", "source"]), unique=True).map(tuple)
    rows = st.integers(0, 4)
    persons = st.builds(Given, st.dictionaries(rows, texts), st.frozensets(rows))
    rules = Rules(draw(st.none() | limits.map(Acceptance)), draw(st.none() | persons))
    return rules, draw(st.just(()) | chosen)


@st.composite
def tables(draw: st.DrawFn) -> tuple[Card, int, bool, int, list[Row]]:
    """A card, --top-k, --probabilities, the k of the results, and the rows."""
    labels = draw(st.lists(texts, min_size=1, max_size=5, unique=True))
    top_k, every = draw(st.integers(1, 6)), draw(st.booleans())
    k = len(labels) if every else min(top_k, len(labels))
    predictions = st.tuples(
        st.permutations(range(len(labels))),
        st.lists(st.floats(0, 1, width=32), min_size=len(labels), max_size=len(labels)),
    ).map(lambda pair: list(zip(pair[0], sorted(pair[1], reverse=True), strict=True))[:k])
    status = st.sampled_from([Status.OK] * 4 + list(Status))
    flags = st.sampled_from(draw(st.sampled_from([FLAGS[:1], FLAGS])))
    rows = draw(st.lists(st.tuples(paths, status, predictions, flags), min_size=1, max_size=5))
    return card(tuple(labels)), top_k, every, k, rows


@given(tables(), displays())
def test_the_table_equals_that_of_a_plain_writer(
    given_: tuple[Card, int, bool, int, list[Row]],
    display: tuple[Rules, tuple[str, ...]],
) -> None:
    card, top_k, every, k, rows = given_
    rules, chosen = display
    table = csv_rows(card, top_k, every, rules, chosen)
    names, statuses, predictions, flags = map(list, zip(*rows, strict=True))
    # A worker sends no flags if no image has one.
    result = packed(k, statuses, predictions, flags if any(flags) else [])
    batch = RowBatch(b"\0".join(names), result, rules=rules)
    text = table.first_line + table.lines(batch)
    persons = rules.given_labels.labels_by_row(batch) if rules.given_labels else None
    excluded = rules.given_labels.without if isinstance(rules.given_labels, Given) else frozenset()
    assert text == naive(card, top_k, every, rows, rules.acceptance, chosen, persons, excluded)


@pytest.mark.parametrize(
    "row",
    [
        '{"path":"b","guess":"x"}', '{"label":"x","path":"b"}', '["path","label"]',
        '{"path":"b","label":["x"]}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["jsonl", "json"])
def test_a_row_with_other_members_or_none_or_with_more_than_a_cell_in_one_is_refused(
    tmp_path: Path, form: str, row: str
) -> None:
    lines = ['{"path":"a","label":"x"}', row]
    text = "\n".join(lines) if form == "jsonl" else "[\n" + ",\n".join(lines) + "\n]\n"
    (tmp_path / "table").write_text(text)
    rows = loaded(form).read(tmp_path / "table")
    assert [next(rows), next(rows)] == [["path", "label"], ["a", "x"]]
    with pytest.raises(Unreadable):
        next(rows)


@pytest.mark.parametrize("text", ['{"path":"a"},\n{"path":"b"}\n]\n', '[\n{"path":"a"}\n]\n[\n]\n'])
def test_lines_before_or_after_a_json_array_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "table").write_text(text)
    with pytest.raises(Unreadable):
        list(loaded("json").read(tmp_path / "table"))


TABLE = Table(table_columns(card(), Rules()), Rules(), JOB, card())


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "out.csv.hangtag")
    encoded = encode_result(packed(1, [Status.OK], [[(0, 0.5)]]))
    for n, name in enumerate([b"a", b"b", b"c"]):
        journal.commit([FrozenBatch(n, 0, [name], [(1, 1)])])
    journal.commit(results=[StoredResult(2, encoded, 0), StoredResult(0, encoded, 0)])
    yield journal
    journal.close()


def test_rows_are_appended_for_some_time_but_at_least_a_batch_of_them(
    journal: Journal, tmp_path: Path
) -> None:
    """So that a job with many final rows still serves its workers."""
    with closing(TableDraft(TABLE, tmp_path / "out.csv", "csv")) as draft:
        for rows in (1, 2):
            draft.append(journal.row_batches(after=draft.end), until_s=0)
            assert draft.end.rows == rows


@pytest.mark.parametrize("target", [None, "letters"])
def test_a_table_is_never_written_through_a_symbolic_link(
    journal: Journal, tmp_path: Path, target: str | None
) -> None:
    draft, other = tmp_path / f"out.csv{DRAFT_SUFFIX}", tmp_path / "other"
    if target:
        other.write_text(target)
    draft.symlink_to(other)
    write_table(journal, TABLE, tmp_path / "out.csv")
    assert (other.read_text() if other.exists() else None) == target
    assert not (tmp_path / "out.csv").is_symlink()
    assert not draft.is_symlink()


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
