"""`--list -` and `--list0`: a list from standard input belongs to its job, as a file does."""

from __future__ import annotations

import os
import threading
from contextlib import closing
from io import BytesIO
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from producer.job.job_options import STDIN
from producer.job.journal import journal_path
from producer.sources.lists import received, record
from producer.table.verify import verify
from shared.errors import Exit, Stopped
from shared.stop import Stop, Waits, unstoppable
from tests.support.jobs.finished_job import finish, options_of
from tests.support.jobs.updated_job import update

TWO, THREE = b"1.png\n2.png\n", b"1.png\n2.png\n3.png\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three files, and an unreachable broker: what would run fails."""
    monkeypatch.setenv("HANGTAG_REDIS_URL", f"unix://{tmp_path}/no.sock")
    monkeypatch.chdir(tmp_path)
    for name in ("1.png", "2.png", "3.png"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def run(*arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(hangtag, arguments, input=stdin)


def piped(stdin: bytes, *more: str) -> Result:
    """The command whose list is this standard input."""
    return run("classify", "--list", "-", "-o", "out.csv", *more, stdin=stdin)


def started(here: Path, stop_after: int | None = 0, first: bytes = TWO) -> None:
    """Have a job of this list, whose first row is done."""
    options = options_of(here, list_file=STDIN)
    with received(BytesIO(first), options, unstoppable()) as listed:
        suffix = record(listed, options.output)
    finish(msgspec.structs.replace(options, list_suffix=suffix), 1, stop_after=stop_after)


def recorded(here: Path) -> bytes:
    """The only list beside the journal."""
    (path,) = here.glob("out.csv.hangtag.list-*")
    return path.read_bytes()


def one_line(result: Result, code: Exit) -> str:
    assert result.exit_code == code, result.output
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize("ends", [False, True], ids=["silent", "cut short"])
def test_the_wait_for_a_list_can_be_stopped_and_a_list_that_ends_with_it_is_not_used(
    here: Path, ends: bool
) -> None:
    """Ctrl-C also ends the program that writes the list."""
    stop, options = Stop(), options_of(here, list_file=STDIN)
    reading, writing = os.pipe()

    def end() -> None:
        stop.request()
        if ends:
            os.close(writing)

    os.write(writing, TWO)
    timer = threading.Timer(0.05, end)
    with open(reading, "rb") as stdin, closing(Waits(stop)) as waits:
        timer.start()
        with pytest.raises(Stopped), received(stdin, options, waits):
            pytest.fail("it is used")
    timer.join()
    if not ends:
        os.close(writing)


def test_a_table_stands_for_the_recorded_list_except_to_start_over(here: Path) -> None:
    started(here, stop_after=None)
    other = CliRunner().invoke(hangtag, ["classify", "out.csv"], input=b"2.png\n")
    assert other.exit_code == Exit.OK, other.output
    assert recorded(here) == TWO
    line = one_line(run("classify", "out.csv", "--restart"), Exit.USAGE)
    assert "a list from standard input; give it again to start over" in line


def test_an_empty_standard_input_continues_with_the_recorded_list(here: Path) -> None:
    started(here, stop_after=None)
    result = piped(b"")
    assert result.exit_code == Exit.OK
    notice = [line for line in result.stderr.splitlines() if "standard input has no list" in line]
    assert len(notice) == 1
    assert recorded(here) == TWO


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (TWO, b"2.png\n1.png\n"),
        (TWO, b"1.png\n"),
        (TWO, b"\n" + TWO),
        (TWO[:-1], b"1.png\n2.pngx\n"),
    ],
)
@pytest.mark.parametrize("stop_after", [0, None])
def test_another_list_is_refused_in_one_line_and_the_job_stays(
    here: Path, first: bytes, other: bytes, stop_after: int | None
) -> None:
    started(here, stop_after, first)
    before = journal_path(here / "out.csv").read_bytes()
    line = one_line(piped(other), Exit.USAGE)
    assert "the list of images is not the one that the job of" in line
    assert "--restart" in line
    assert recorded(here) == first
    assert journal_path(here / "out.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("first", "grown"), [(TWO, THREE[:-1]), (TWO[:-1], THREE), (TWO[:-1], TWO[:-1])]
)
def test_the_same_or_a_grown_list_stands_for_the_one_of_an_unfinished_job(
    here: Path, first: bytes, grown: bytes
) -> None:
    started(here, first=first)
    one_line(piped(grown), Exit.SETUP)  # the broker is unreachable
    assert recorded(here) == grown
    finish(options_of(here, list_file=STDIN), 1)
    assert len((here / "out.csv").read_bytes().splitlines()) == 1 + len(grown.split())
    assert verify(here / "out.csv").proven


def test_a_list_that_has_grown_is_that_of_the_table_that_is_brought_up_to_date(here: Path) -> None:
    started(here, stop_after=None)
    update(options_of(here, list_file=STDIN), stdin=BytesIO(THREE))
    assert len((here / "out.csv").read_bytes().splitlines()) == 1 + len(THREE.split())
    assert recorded(here) == THREE
    assert verify(here / "out.csv").proven


def test_only_the_same_list_stands_for_a_recorded_one_that_is_missing(here: Path) -> None:
    started(here)
    next(here.glob("out.csv.hangtag.list-*")).unlink()
    assert "is not the one that the job of" in one_line(piped(THREE), Exit.USAGE)
    one_line(piped(TWO), Exit.SETUP)  # the broker is unreachable
    assert recorded(here) == TWO


def test_a_list_may_have_addresses(here: Path) -> None:
    assert "does not answer" in one_line(piped(b"https://h.example/1.png\n"), Exit.SETUP)


@pytest.mark.parametrize(
    ("arguments", "stdin", "why"),
    [
        (["--list", "-"], TWO, "name the table with -o"),
        (["--list", "-", "-o", "out.csv"], b"a\0b\0", "--list0"),
        (["--list", "-", "-o", "out.csv"], b"", "the list of images names no file"),
        (["--list0", "-", "-o", "out.csv"], TWO, "does not end with NUL"),
        (["--list", "-", "--list0", "-", "-o", "out.csv"], TWO, "give one"),
        (["--list", "-", "-o", "absent/out.csv"], TWO, "there is no folder"),
    ],
)
def test_a_wrong_list_is_one_line_with_its_fix(
    here: Path, arguments: list[str], stdin: bytes, why: str
) -> None:
    assert why in one_line(run("classify", *arguments, stdin=stdin), Exit.USAGE)
    assert sorted(os.listdir(here)) == ["1.png", "2.png", "3.png"]
