"""`hangtag verify` proves a correct table, and finds every difference of a wrong one."""

from __future__ import annotations

import csv
import io
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from producer.cli.main import hangtag
from producer.job import records
from producer.job.job_properties import TABLE
from producer.job.journal import Journal, journal_path
from producer.job.sqlite_errors import blob
from producer.table.verify import Proof, verdict, verify
from shared.errors import Exit
from shared.messages.model_card import encode_card
from shared.registry import packaged
from tests.support.jobs.finished_job import RUBBISH, finish, options_of

NAMES = (
    b"a.png",
    b"b,.png",
    b"=c.png",
    b'd"\n.png',
    b"e\xff.png",
    b"sub/a.png",
    b"sub/z.png",
    b"t\t.png",
)


def plant(folder: Path) -> Path:
    """Finish a job of two folders with one failed row; return its table."""
    for root in (b"two", b"one"):
        for i, name in enumerate(NAMES):
            path = folder / os.fsdecode(root + b"/" + name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(root + name if i != 1 else RUBBISH)
    finish(options_of(folder, b"two", b"one"))
    return folder / "out.csv"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The table of a finished job."""
    return plant(tmp_path)


@pytest.fixture(scope="module")
def whole() -> Iterator[tuple[Path, bytes]]:
    """A table that many tests share, and its rows."""
    with tempfile.TemporaryDirectory() as name:
        table = plant(Path(name))
        yield table, table.read_bytes()


def problem(proof: Proof) -> str:
    """The only problem."""
    assert not proof.proven
    (line,) = proof.problems
    assert line.isprintable()
    return line


def put(table: Path, /, **properties: bytes) -> None:
    """Change properties of its job."""
    with closing(Journal(journal_path(table))) as journal:
        journal.put(**properties)


def test_the_command_that_finishes_a_job_is_named(table: Path) -> None:
    for path in (table, journal_path(table)):
        path.unlink()
    finish(options_of(table.parent, b"two", b"one"), stop_after=1)
    assert problem(verify(table, deep=False)).endswith(f": hangtag classify {table}")
    put(table, stopped=b"%d" % Exit.BUDGET)
    assert "a higher limit" in problem(verify(table))


@pytest.mark.parametrize("typed", [b"", b"/"], ids=["relative", "absolute"])
def test_a_renamed_parent_folder_is_named_as_it_was(tmp_path: Path, typed: bytes) -> None:
    """Not as a folder that the same command would find again."""
    before, after = tmp_path / "before", tmp_path / "after"
    (before / "one").mkdir(parents=True)
    (before / "one/a.png").write_bytes(b"a")
    root = os.fsencode(before / "one") if typed else b"one"
    finish(options_of(before, root))
    before.rename(after)
    line = problem(verify(after / "out.csv"))
    assert line.startswith(f"{before} ")
    assert "--restart" in line


def test_of_several_folders_the_one_that_is_missing_is_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(name.encode())
    (tmp_path / "0.png").write_bytes(b"0")
    finish(options_of(tmp_path, b"0.png", b"a", b"b"))
    (tmp_path / "0.png").unlink()
    shutil.rmtree(tmp_path / "b")
    assert problem(verify(tmp_path / "out.csv")).startswith(f"{tmp_path}/b no longer exists")


def rows_of(table: bytes) -> list[str]:
    """Its rows as text, the header first."""
    rows = csv.reader(io.StringIO(table.decode(), newline=""))
    return [_written(row) for row in rows]


def _written(row: list[str]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(row)
    return text.getvalue()


@given(st.data())
def test_any_other_table_is_refused(whole: tuple[Path, bytes], data: st.DataObject) -> None:
    """Rows dropped, doubled, swapped or appended; a cell edited; a byte changed, cut or added."""
    table, good = whole
    rows = rows_of(good)
    at = data.draw(st.integers(0, len(rows) - 1))
    other = data.draw(st.integers(0, len(rows) - 1))
    how = data.draw(st.sampled_from(["drop", "double", "swap", "append", "cell", "byte", "cut"]))
    if how == "drop":
        del rows[at]
    elif how == "double":
        rows.insert(other, rows[at])
    elif how == "swap":
        rows[at], rows[other] = rows[other], rows[at]
    elif how == "append":
        rows.append(data.draw(st.text(st.characters(codec="utf-8"), min_size=1)))
    elif how == "cell":
        (cells,) = csv.reader(io.StringIO(rows[at], newline=""))
        cells[data.draw(st.integers(0, len(cells) - 1))] = data.draw(st.text(max_size=4))
        rows[at] = _written(cells)
    changed = "".join(rows).encode(errors="surrogatepass")
    place = data.draw(st.integers(0, len(changed) - 1))
    if how == "byte":
        changed = (
            changed[:place] + data.draw(st.binary(min_size=1, max_size=1)) + changed[place + 1 :]
        )
    elif how == "cut":
        changed = changed[:place]
    table.write_bytes(changed)
    proof = verify(table)
    assert proof.proven == (changed == good)
    assert all(line.isprintable() for line in proof.problems)
    assert bool(proof.problems) == (changed != good)


def edited(table: Path, change: Callable[[list[str]], None]) -> Proof:
    rows = rows_of(table.read_bytes())
    change(rows)
    table.write_text("".join(rows), newline="")
    return verify(table)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda row: [row.replace(",ok,", ",crashed,")], "(two/a.png): status is 'crashed', not"),
        (lambda row: [row.replace("\n", ",\n")], "(two/a.png): has 8 cells, not 7"),
        (lambda row: [row.replace(",ok,", f",{'x' * 81},")], f"status is '{'x' * 80}...', not"),
        (lambda row: [row.replace(",ok,", f",{'x' * 80},")], f"status is '{'x' * 80}', not"),
        (lambda row: ["\n", row], "(): does not belong there"),
    ],
)
def test_an_edited_row_is_named_with_the_written_value(
    table: Path, edit: Callable[[str], list[str]], says: str
) -> None:
    def change(rows: list[str]) -> None:
        rows[2:3] = edit(rows[2])

    line = problem(edited(table, change))
    assert line.startswith("row 2 (")
    assert says in line


def test_an_edited_journal_is_reported(table: Path) -> None:
    """Even if its checksum was recomputed."""
    with closing(sqlite3.connect(journal_path(table))) as database:
        record = records.one(database, 0)
        result = blob(record.result).replace(b"?", b">")
        database.execute("UPDATE batch SET result = ? WHERE n = 0", (result,))
        database.commit()
        assert "the result of batch 0 is damaged" in problem(verify(table))
        records.put_result(database, record._replace(result=result))
        database.commit()
    proof = verify(table)
    assert not proof.proven
    assert str(table) in proof.problems[0]


def test_a_card_that_the_job_is_not_pinned_to_is_reported(table: Path) -> None:
    put(table, card=encode_card(msgspec.structs.replace(packaged.card(), notes="other")))
    assert "its card differs" in problem(verify(table))


def test_a_table_is_compared_with_the_digest_of_what_was_written_and_its_bytes(
    table: Path,
) -> None:
    """Also where all its cells are right."""
    good = table.read_bytes()
    table.write_bytes(good.replace(b"\n", b"\r\n"))
    assert problem(verify(table)).endswith("its bytes differ: line ends, quotes or encoding")
    table.write_bytes(good)
    put(table, **{TABLE: b"0" * 64})
    assert "its results differ from those" in problem(verify(table))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda path: path.unlink(), "was removed"),
        (lambda path: path.write_bytes(b"other, longer"), "has another size or time"),
        (lambda path: os.utime(path, (1, 1)), "has another size or time"),
        (lambda path: shutil.copy(path, path.with_name("aa.png")), "has no row"),
    ],
)
def test_a_changed_file_is_named(table: Path, change: Callable[[Path], object], says: str) -> None:
    change(table.parent / "one/a.png")
    line = problem(verify(table))
    assert line.startswith("one/a")
    assert says in line


def test_changed_content_with_the_same_stamp_is_found_by_reading_again(table: Path) -> None:
    path = table.parent / "one/a.png"
    before = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    proof = verify(table)
    assert proof.proven
    assert "check it with --deep" in proof.unproven[0]
    assert problem(verify(table, deep=True)).startswith("one/a.png: has other content")


def test_content_whose_digests_are_not_known_is_named_as_unproven(table: Path) -> None:
    assert verify(table, deep=True).unproven == []
    with closing(sqlite3.connect(journal_path(table))) as database:
        records.put_files(database, records.one(database, 0)._replace(digests=b""))
        database.commit()
    proof = verify(table, deep=True)
    assert proof.proven
    assert proof.unproven == ["some files' content: the journal has no digests of them"]


def test_each_change_of_a_list_is_named(tmp_path: Path) -> None:
    names = [f"{letter}.png" for letter in "abcd"]
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "list").write_text("\n".join([*names, names[0], "late.png"]))
    finish(options_of(tmp_path, list_file=b"list"))
    assert verify(tmp_path / "out.csv", deep=True).problems == []
    for name in ("new.png", "late.png"):
        (tmp_path / name).write_bytes(b"new")
    (tmp_path / "list").write_text("\n".join(["a.png", "d.png", "new.png", "b.png", "a.png"]))
    lines = [line.partition(": ") for line in verify(tmp_path / "out.csv", deep=True).problems]
    assert [(name, why[:11]) for name, _, why in lines] == [
        ("new.png", "has no row;"),
        ("b.png", "has another"),
        ("c.png", "was removed"),
        ("late.png", "was removed"),
    ]


def test_a_listed_file_that_cannot_be_reached_is_proven_as_its_row_has_it(tmp_path: Path) -> None:
    too_long = b"n" * 300 + b".png"
    (tmp_path / "here.png").write_bytes(b"1")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "list").write_bytes(b"\n".join((too_long, b"here.png", b"loop.png", b"gone.png")))
    finish(options_of(tmp_path, list_file=b"list"))
    rows = csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text()))
    assert [row["status"] for row in rows] == ["unreadable", "ok", "unreadable", "missing"]
    assert verify(tmp_path / "out.csv", deep=True).problems == []
    (tmp_path / "gone.png").symlink_to("gone.png")
    assert verify(tmp_path / "out.csv", deep=True).problems == []
    (tmp_path / "loop.png").unlink()
    (tmp_path / "loop.png").write_bytes(b"2")
    assert "can be read now" in problem(verify(tmp_path / "out.csv"))


def test_a_row_that_reports_a_change_is_proven_until_a_missing_file_is_back(table: Path) -> None:
    for path in (table, journal_path(table)):
        path.unlink()
    options = options_of(table.parent, b"one")
    finish(options, stop_after=0)
    a, b = (table.parent / "one" / os.fsdecode(name) for name in sorted(NAMES)[:2])
    a.write_bytes(b"another content")
    before = b.read_bytes()
    b.unlink()
    finish(options)
    statuses = [row["status"] for row in csv.DictReader(io.StringIO(table.read_text()))]
    assert statuses[:2] == ["changed", "missing"]
    assert verify(table, deep=True).problems == []
    b.write_bytes(before)
    assert "exists now; classify it again with --retry-failed" in problem(verify(table))


def test_without_a_journal_nothing_is_proven(table: Path) -> None:
    journal_path(table).unlink()
    table.write_bytes(b"path,model\n\xe9.png,m@1\n")
    proof = verify(table)
    assert (proof.proven, proof.problems) == (False, [])
    assert "NOT proven: there is no journal beside it" in verdict(proof)
    assert "table -o" in verdict(proof), "its source has one"
    assert "without it no difference" in proof.unproven[0]
    assert run(str(table)).exit_code == Exit.NOT_PROVEN


def run(*arguments: str) -> Result:
    return CliRunner().invoke(hangtag, ["verify", *arguments])


def test_the_command_has_an_exit_code_for_each_verdict(table: Path, tmp_path: Path) -> None:
    good = run(str(table))
    assert good.exit_code == Exit.OK, good.output
    assert "proven: 16 rows (2 failed)" in good.stdout
    assert msgspec.json.decode(run(str(table), "--json").stdout, type=Proof).proven
    table.write_bytes(table.read_bytes()[:-1])
    assert run(str(table)).exit_code == Exit.NOT_PROVEN
    table.unlink()
    assert "to rewrite it" in run(str(table)).stdout
    absent = run(str(tmp_path / "absent.csv"))
    assert absent.exit_code == Exit.USAGE
    assert "absent.csv does not exist" in absent.stderr


def test_a_table_in_a_folder_whose_name_is_not_utf8_is_proven(table: Path) -> None:
    folder = Path(f"{table.parent}/{os.fsdecode(b'caf' + bytes([0xE9]))}")
    folder.mkdir()
    for path in (table, journal_path(table)):
        path.rename(folder / path.name)
    moved = str(folder / table.name)
    for command in (
        ("verify", moved), ("verify", moved, "--json"), ("status", moved, "--json"),
        ("table", moved, "--json"), ("table", moved),
    ):  # fmt: skip
        result = CliRunner().invoke(hangtag, command)
        assert not isinstance(result.exception, UnicodeError), command
        assert "caf\\xe9" in result.output.replace("\\\\", "\\"), (command, result.output)
        assert result.output.isascii()
