"""Spreadsheets: nothing in them runs, they can be read at a glance, and their limits are kept."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import openpyxl
import pytest

from producer.job.columns import Table, table_columns
from producer.job.row_batch import AS_CLASSIFIED, RowBatch, Rules
from producer.table.table_formats import FORMATS, check_columns
from shared.atomic_file import DRAFT_SUFFIX
from shared.errors import Exit, SetupError, UsageError
from shared.image_status import Flag, Status
from shared.messages.model_card import OperatingPoint
from tests.support.jobs.finished_job import finish
from tests.support.jobs.updated_job import update
from tests.unit.table.test_forms_of_jobs import FILES, options, plant, run
from tests.unit.table.test_text_format import JOB, Given, card, packed, written_as

POINT = OperatingPoint(0.98, 0.5, 0.9, 0.99, (0.5, 0.5, 0.5))
CARD = msgspec.structs.replace(card(), operating_points=(POINT,))
NAMES = (
    b"=cmd|' /C calc'!A0", b"http://hangtag.example/a.png", b"mailto:a@hangtag.example",
    b"<r><t>bold</t></r>", b"<r>&bad;</r>", b"_x0041_.png", b"\xff\n\t.png", b"internal:rows!A1",
    b"{=A1}", b"\xef\xbf\xbf.png", b" a ", b"{0}",
)  # fmt: skip


def table(rules: Rules = AS_CLASSIFIED) -> Table:
    return Table(table_columns(CARD, rules), rules, JOB, CARD)


def sheets(path: Path, rows: bytes) -> openpyxl.Workbook:
    path.write_bytes(rows)
    return openpyxl.load_workbook(path)


def test_nothing_that_a_name_spells_is_a_formula_a_link_or_markup(tmp_path: Path) -> None:
    count = len(NAMES)
    batch = RowBatch(b"\0".join(NAMES), packed(1, [Status.OK] * count, [[(2, 0.75)]] * count))
    path = tmp_path / "table.xlsx"
    path.write_bytes(written_as("xlsx", table(), [batch]))
    with zipfile.ZipFile(path) as parts:
        assert not [name for name in parts.namelist() if "sheet" in name and "rels" in name]
        for name in parts.namelist():
            tags = {
                node.tag.rpartition("}")[2]
                for node in ElementTree.fromstring(parts.read(name)).iter()
            }
            assert tags.isdisjoint({"f", "hyperlink", "hyperlinks", "r", "externalLink"}), name
    sheet = openpyxl.load_workbook(path)["rows"]
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} == {"s", "n"}
    assert sheet["B2"].value == "'=d"
    assert [row[0].value for row in sheet.iter_rows(min_row=2)][3] == "<r><t>bold</t></r>"


def test_a_text_longer_than_a_cell_is_refused_and_not_cut(tmp_path: Path) -> None:
    result = packed(1, [Status.OK], [[(0, 0.75)]])
    longest = b"x" * 32_767  # characters of a cell in Excel
    rows = written_as("xlsx", table(), [RowBatch(longest, result)])
    assert sheets(tmp_path / "table.xlsx", rows)["rows"]["A2"].value == longest.decode()
    with pytest.raises(SetupError, match="row 2 "):
        written_as("xlsx", table(), [RowBatch(b"a", result), RowBatch(longest + b"x", result)])


def test_rows_are_coloured_percentages_and_the_header_stays_and_filters(tmp_path: Path) -> None:
    statuses = [Status.OK, Status.OK, Status.UNREADABLE, Status.OK, Status.OK]
    predictions = [[(0, 0.75)], [(1, 0.25)], [], [(0, 0.75)], [(1, 0.25)]]
    flags = [Flag.NONE, Flag.NONE, Flag.NONE, Flag.UNLIKE_TRAINING, Flag.NONE]
    rules = Rules(None, Given({4: "other"}))
    batch = RowBatch(b"a\0b\0c\0d\0e", packed(1, statuses, predictions, flags), rules=rules)
    book = sheets(tmp_path / "table.xlsx", written_as("xlsx", table(rules), [batch]))
    assert book.sheetnames == ["rows", "summary"]
    sheet = book["rows"]
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:I6"
    colours = [
        {cell.fill.fgColor.rgb if cell.fill.fill_type else "" for cell in row}
        for row in sheet.iter_rows(min_row=2)
    ]
    usual, doubtful, failed = {""}, {"FFFFF2CC"}, {"FFF8CBAD"}
    assert colours == [usual, doubtful, failed, doubtful, usual]
    assert [sheet.cell(row, 3).number_format for row in (2, 3, 4)] == ["0.0%"] * 3
    assert sheet["C2"].value == 0.75
    assert [sheet[place].value for place in ("B4", "C4", "E2")] == [None] * 3
    found = [list(filter(lambda cell: cell is not None, row)) for row in book["summary"].values]
    assert found == [
        ["job", JOB.id],
        ["model", "model@3"],
        ["images", 5],
        ["labels of people", 1, 0.2],
        ["unlike_training", 1, 0.2],
        ["doubtful", 3, 0.6],
        ["unreadable", 1, 0.2],
        [],
        ["label of the model", "images", "share", "doubtful"],
        ["a", 2, 0.4, 1],
        ["b,c", 2, 0.4, 2],
    ]
    cells = [cell for row in book["summary"] for cell in row if cell.value is not None]
    assert {cell.row for cell in cells if cell.font.b} == {9}
    shares = {cell.coordinate for cell in cells if cell.number_format == "0.0%"}
    assert shares == {f"C{row}" for row in (4, 5, 6, 7, 10, 11)}


def test_a_table_with_more_columns_than_a_sheet_is_refused_with_a_form_that_has_room() -> None:
    wide = card(tuple(map(str, range(1 << 14))))
    columns = table_columns(wide, AS_CLASSIFIED, probabilities=True)
    with pytest.raises(UsageError, match=r"has 16,391 columns, and xlsx at most 16,384; .*parquet"):
        check_columns("xlsx", Table(columns, AS_CLASSIFIED, JOB, wide))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with one image more than a sheet has rows."""
    assert FORMATS["xlsx"].rows_max == 1_048_575
    monkeypatch.chdir(tmp_path)
    plant(tmp_path)
    monkeypatch.setitem(FORMATS, "xlsx", FORMATS["xlsx"]._replace(rows_max=FILES - 1))
    return tmp_path


def test_a_copy_with_too_many_rows_is_refused_with_the_command_that_works(few: Path) -> None:
    finish(options(few, "out.csv"))
    (line,) = run("table", "out.csv", "-o", "copy.xlsx", code=Exit.SETUP).stderr.splitlines()
    assert line.endswith("write them to another form with: hangtag table out.csv -o copy.parquet")
    assert not list(few.glob(f"copy*{DRAFT_SUFFIX}*"))
    run("table", "out.csv", "-o", "copy.parquet")


def test_a_job_with_too_many_rows_keeps_them_for_another_form(few: Path) -> None:
    finish(options(few, "out.xlsx"), stop_after=0)
    assert update(options(few, "out.xlsx")).exit_code == Exit.SETUP
    assert not (few / "out.xlsx").exists()
    run("table", "out.xlsx", "-o", "out.parquet")


@pytest.mark.parametrize("is_link", [False, True])
def test_what_a_killed_rendering_left_is_replaced_and_a_link_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_link: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    plant(tmp_path)
    finish(options(tmp_path, "out.csv"))
    parts, other = tmp_path / f"copy.xlsx{DRAFT_SUFFIX}.parts", tmp_path / "other"
    other.mkdir()
    (other / "mine").touch()
    if is_link:
        parts.symlink_to(other)
    else:
        parts.mkdir()
        (parts / "rows").touch()
    run("table", "out.csv", "-o", "copy.xlsx")
    assert not os.path.lexists(parts)
    assert (other / "mine").exists()
