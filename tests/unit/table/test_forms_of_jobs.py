"""A job writes its table in the form of its name, and all that holds for CSV holds for it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from producer.job.job_options import JobOptions
from producer.job.job_properties import TABLE
from producer.job.journal import Journal, journal_path
from producer.job.sealed_journal import SealedJournal
from producer.run.render_table import CopyTarget, render_copy
from producer.table.display_options import DisplayOptions
from producer.table.table_file import is_foreign
from producer.table.table_formats import FORMATS, Format, format_of, loaded
from producer.table.verify import verify
from shared import failpoints
from shared.atomic_file import DRAFT_SUFFIX
from shared.errors import Exit, UsageError
from tests.support.jobs.finished_job import RUBBISH, finish, options_of

FILES, BROKEN = 30, 7
#: Of a file, which are changed one at a time.
FLIPPED = 12
every_form = pytest.mark.parametrize("form", FORMATS)
of_a_library = pytest.mark.parametrize(
    "form", [row.name for row in FORMATS.values() if row.packages]
)
_DONE, _KILLED = 0, 9


def plant(folder: Path) -> None:
    (folder / "photos").mkdir()
    for n in range(FILES):
        content = RUBBISH if n == BROKEN else b"image %d" % n
        (folder / f"photos/{n:02},=.png").write_bytes(content)


def options(folder: Path, name: str, form: str = "", **more: object) -> JobOptions:
    made = options_of(folder, b"photos", form=form or format_of(name), **more)
    return msgspec.structs.replace(made, output=str(folder / name))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    plant(tmp_path)
    return tmp_path


def run(*arguments: str, code: int = Exit.OK) -> Result:
    result = CliRunner().invoke(hangtag, arguments)
    assert result.exit_code == code, result.output
    return result


def rows(path: Path, form: str) -> list[list[str]]:
    """The cells as CSV has them, the names of the columns first."""
    return [list(map(Format.text, row)) for row in loaded(form).read(path)]


@every_form
def test_a_job_writes_its_form_which_is_proven_and_a_changed_byte_is_found(
    folder: Path, form: str
) -> None:
    table, plain = folder / f"out.{form}", folder / "plain.csv"
    finish(options(folder, table.name))
    finish(options(folder, plain.name))
    assert rows(table, form) == rows(plain, "csv")
    assert verify(table, deep=True).proven
    data = table.read_bytes()
    for at in range(0, len(data), max(1, len(data) // FLIPPED)):
        table.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        proof = verify(table)
        assert not proof.proven
        assert all(problem.isprintable() for problem in proof.problems)
    table.write_bytes(data)
    assert verify(table).proven
    table.write_bytes(data[: len(data) // 2])
    assert not verify(table).proven


@every_form
def test_a_table_is_the_old_one_or_the_new_one_wherever_its_process_is_killed(
    folder: Path, form: str
) -> None:
    table = folder / f"out.{form}"
    finish(options(folder, table.name))
    old = table.read_bytes()

    def render() -> None:
        run("table", table.name, "--min-confidence", "0.5", "--force")

    count = len(passages(render))
    new = table.read_bytes()
    assert count >= 4
    assert new != old
    interrupted = 0
    for nth in range(count):
        run("table", table.name, "--accept", "all")
        assert table.read_bytes() == old
        assert killed_at(render, nth)
        assert table.read_bytes() in (old, new)
        with SealedJournal(table) as sealed:
            assert not is_foreign(sealed, table)
        said = verify(table).problems
        assert not said or f"write it again with: hangtag table {table}" in said[0]
        interrupted += bool(said)
        run("table", table.name, "--min-confidence", "0.25")
        assert verify(table).proven
        assert not list(folder.glob(f"*{DRAFT_SUFFIX}*"))
    assert interrupted


def test_a_table_that_is_removed_while_its_replacement_is_interrupted_is_written_again(
    folder: Path,
) -> None:
    table = folder / "out.csv"
    finish(options(folder, table.name))

    def render() -> None:
        run("table", table.name, "--min-confidence", "0.5")

    last = passages(render).index("table.placed")
    run("table", table.name, "--accept", "all")
    old = table.read_bytes()
    assert killed_at(render, last)
    assert table.read_bytes() != old
    run("classify", "photos", "-o", table.name, code=Exit.SOME_FAILED)
    assert table.read_bytes() == old
    assert killed_at(render, last)
    table.unlink()
    run("table", table.name)
    assert verify(table).proven


def test_a_table_is_that_of_its_job_if_the_next_process_is_killed_as_well(folder: Path) -> None:
    table = folder / "out.csv"
    finish(options(folder, table.name))

    def render(least: float) -> None:
        run("table", table.name, "--min-confidence", str(least))

    passed = passages(lambda: render(0.5))
    before_placed = passed.index("journal.committed")
    for first in (before_placed, passed.index("table.placed")):
        run("table", table.name, "--accept", "all")
        assert killed_at(lambda: render(0.5), first)
        assert killed_at(lambda: render(0.25), before_placed)
        with SealedJournal(table) as sealed:
            assert not is_foreign(sealed, table), first


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_a_terminal_can_show_is_written_to_it_and_a_pipe_gets_every_form(
    folder: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
    is_terminal: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finish(options(folder, "out.csv"))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    for form in FORMATS:
        target = CopyTarget("-", form, False)
        if is_terminal and form in ("parquet", "xlsx"):
            with pytest.raises(UsageError, match=f"a terminal cannot show {form}; write it to a"):
                render_copy("out.csv", DisplayOptions(), target, quiet=True)
        else:
            render_copy("out.csv", DisplayOptions(), target, quiet=True)
            sys.stdout.flush()
            copy = folder / f"copy.{form}"
            copy.write_bytes(capfdbinary.readouterr().out)
            assert rows(copy, form) == rows(folder / "out.csv", "csv")


def test_other_bytes_of_the_same_rows_are_proven_if_the_job_has_written_them(folder: Path) -> None:
    """With another version of a library, which writes other bytes than the one that is here."""
    table = folder / "out.xlsx"
    finish(options(folder, table.name))
    with zipfile.ZipFile(table, "a") as book:
        book.comment = b"another version"
    assert verify(table).problems == [f"{table}: its rows are right, but its bytes differ"]
    journal = Journal(journal_path(table))
    journal.put(**{TABLE: hashlib.sha256(table.read_bytes()).hexdigest().encode()})
    journal.close()
    assert verify(table).proven


@every_form
def test_a_file_that_its_job_has_not_written_is_not_replaced(folder: Path, form: str) -> None:
    table = folder / f"out.{form}"
    finish(options(folder, table.name))
    table.write_bytes(b"mine")
    refused = run("table", table.name, "--accept", "95%", code=Exit.USAGE)
    assert str(table) in refused.stderr
    assert "--force" in refused.stderr
    assert table.read_bytes() == b"mine"
    run("table", table.name, "--force")
    assert verify(table).proven


def test_a_form_of_a_newer_version_is_refused_in_one_line(folder: Path) -> None:
    finish(options(folder, "out.csv", form="csv"))
    journal = Journal(journal_path(folder / "out.csv"))
    stored = json.loads(journal.get("options") or b"")
    journal.put(options=json.dumps(stored | {"form": "holograms"}).encode())
    journal.close()
    for command in ("table", "verify"):
        refused = run(command, "out.csv", code=Exit.SETUP)
        (line,) = refused.stderr.splitlines()
        assert "'holograms'" in line
        assert not refused.stdout


@of_a_library
def test_what_a_form_needs_is_named_with_the_command_that_installs_it_before_anything_starts(
    folder: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(options(folder, "out.csv"))
    finish(options(folder, f"done.{form}"))
    before = sorted(folder.iterdir())
    for package in FORMATS[form].packages:
        monkeypatch.setitem(sys.modules, package, None)  # as if it was not installed
    for command in (
        ("classify", "photos", "-o", f"other.{form}"),
        ("table", "out.csv", "-o", f"copy.{form}"),
    ):
        (line,) = run(*command, code=Exit.SETUP).stderr.splitlines()
        assert f"[{form}]" in line
        assert "pip install" in line
    again = run("classify", "photos", "-o", f"done.{form}", code=Exit.SOME_FAILED)
    assert "is finished already" in again.stderr
    assert sorted(folder.iterdir()) == before


@every_form
def test_a_file_that_cannot_be_written_whole_is_reported_in_one_line_and_leaves_nothing(
    folder: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk; the limit holds for the file and for what a form stores meanwhile."""
    finish(options(folder, "out.csv"))
    before = sorted(folder.iterdir())
    # Python would store a part of what it compiles now, and later processes would read that.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        failed = run("table", "out.csv", "-o", f"copy.{form}", code=Exit.SETUP)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    (line,) = failed.stderr.splitlines()
    assert os.strerror(errno.EFBIG) in line
    assert sorted(folder.iterdir()) == before


def passages(work: Callable[[], object]) -> list[str]:
    """The failpoints that some work passes."""
    names: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failpoints, "_on_pass", names.append)
        work()
    return names


def killed_at(work: Callable[[], object], nth: int) -> bool:
    """Run some work in a process that ends at its n-th failpoint; whether it was reached."""
    child = os.fork()
    if not child:
        left = iter(range(nth))
        failpoints.watch(lambda name: None if next(left, None) is not None else os._exit(_KILLED))
        try:
            work()
        finally:
            os._exit(_DONE)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == _KILLED


def plant_ten(folder: Path) -> Path:
    (folder / "photos").mkdir()
    for n in range(10):
        (folder / f"photos/{n}.png").write_bytes(bytes([n]) * 9)
    return folder / "out.csv"


def run_well(*arguments: str) -> None:
    result = CliRunner().invoke(hangtag, arguments)
    assert result.exit_code == 0, result.output


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return plant_ten(tmp_path)


def test_of_two_copies_at_once_to_the_same_file_the_second_is_refused(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would remove what the first one has written, or be placed half-written."""
    finish(options_of(table.parent, b"photos"))
    copy = table.with_name("copy.csv")
    command = ["table", str(table), "-o", str(copy), "--force"]
    second: list[Result] = []

    def at(name: str) -> None:
        if name == "table.written" and not second:
            second.append(CliRunner().invoke(hangtag, [*command, "--columns", "label"]))

    monkeypatch.setattr(failpoints, "_on_pass", at)
    run_well(*command)
    assert copy.read_bytes() == table.read_bytes()
    (result,) = second
    assert result.exit_code == Exit.USAGE, result.output
    assert f"another command is writing {copy}" in result.stderr
    assert not Path(f"{copy}{DRAFT_SUFFIX}").exists()
