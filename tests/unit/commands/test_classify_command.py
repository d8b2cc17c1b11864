"""A wrong command line gives one line with its fix and the right exit code, without a server."""

from __future__ import annotations

import os
import shlex
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner, Result

from producer.cli.job_summary import show_job_summary
from producer.cli.main import hangtag
from producer.job.job_options import JobOptions, encode_options
from producer.job.journal import Journal, journal_path
from producer.job.skipped import Unlisted
from producer.job.snapshot import JobState, JobView
from producer.job.totals import AnswerCounts
from producer.job_control.resolve import resolved
from producer.run.job import Job
from producer.run.run import Summary
from producer.table.output_path import default_output
from shared.errors import Exit, UsageError
from shared.messages.batch import JobRecord, encode_job
from shared.messages.model_card import card_sha256, encode_card
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.settings import Settings
from tests.support.jobs.finished_job import finish, options_of

JOB = "testjb01"
PATTERN = "no such file or folder; leave a pattern to the shell, without quotation marks, or name"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with images and an unreachable broker; a command that connects fails."""
    monkeypatch.setenv("HANGTAG_REDIS_URL", f"unix://{tmp_path}/no.sock")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/1.png").touch()
    (tmp_path / "list").write_text("photos/1.png\n")
    return tmp_path


def run(*arguments: str | bytes) -> Result:
    return CliRunner().invoke(hangtag, list(arguments))  # type: ignore[arg-type]


def complaint(result: Result, code: Exit) -> str:
    """The one line of a command that must fail."""
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.isprintable()
    return line


def test_a_file_beside_a_journal_without_a_job_is_not_replaced(here: Path) -> None:
    """A process that was killed before its job started has left the journal."""
    Journal(journal_path(here / "out.csv")).close()
    (here / "out.csv").write_text("mine")
    assert "is not finished" in complaint(run("table", "out.csv"), Exit.USAGE)
    line = complaint(run("classify", "photos", "-o", "out.csv"), Exit.USAGE)
    assert "--restart" in line
    with pytest.raises(UsageError):
        finish(options_of(here, b"photos"))
    assert (here / "out.csv").read_text() == "mine"


@pytest.mark.parametrize("restart", [[], ["--restart"]])
def test_a_part_that_no_job_has_written_is_not_replaced(here: Path, restart: list[str]) -> None:
    (here / "out.csv.part").write_text("mine")
    found = run("classify", "photos", "-o", "out.csv", *restart)
    line = complaint(found, Exit.USAGE)
    assert str(here / "out.csv.part") in line
    assert "another -o" in line
    assert (here / "out.csv.part").read_text() == "mine"
    assert sorted(os.listdir(here)) == ["list", "out.csv.part", "photos"]


def test_proposed_commands_can_be_pasted_whatever_the_folders_name(here: Path) -> None:
    """Also with two spaces, which a shell and an error keep apart."""
    folder = here / "my  photos"
    folder.mkdir()
    (here / "photos").rename(folder / "photos")
    options, table = options_of(folder, b"photos"), str(folder / "out.csv")
    finish(options, stop_after=0)
    unfinished = [
        run("review", table),
        run("sort", table, "--into", "out", "--copy"),
        run("verify", table),
    ]
    with closing(Job(options)):
        running = [
            run("classify", str(folder / "photos"), "-o", table), run("verify", table),
            run("forget", table, "--yes"),
        ]  # fmt: skip
    for result in (*unfinished, *running):
        proposed = result.output.rpartition(": hangtag ")[2].splitlines()[0]
        assert shlex.split(proposed)[-1] == table, result.output


def started_job(here: Path, **properties: bytes) -> Path:
    """Start a job of `photos` and return its journal; `exit` marks it as finished."""
    card = packaged.card()
    record = JobRecord(
        JOB, card.name, card.version, card_sha256(card), "litert", 1, "out.csv", "host", 0.0
    )
    options = JobOptions((b"photos",), os.fsencode(here), str(here / "out.csv"))
    path = journal_path(here / "out.csv")
    with closing(Journal(path)) as journal:
        journal.put(
            record=encode_job(record),
            card=encode_card(card),
            options=encode_options(options),
            **properties,
        )
    return path


def test_a_table_of_a_pattern_of_an_earlier_version_is_read_but_not_walked(here: Path) -> None:
    options = options_of(here, b"photos")
    finish(options)
    before = Path("out.csv").read_bytes()
    pattern = msgspec.structs.replace(
        options, roots=(b"photos/*",), file_roots=(), pattern_roots=(0,)
    )
    with closing(Job(options)) as job:
        job.journal.put(options=encode_options(pattern))
    assert run("table", "out.csv").exit_code == Exit.OK
    assert Path("out.csv").read_bytes() == before
    updated = run("classify", "photos/*", "--update", "-o", "out.csv")
    assert PATTERN in complaint(updated, Exit.USAGE)
    assert PATTERN in run("verify", "out.csv").stdout


@pytest.mark.parametrize(
    ("arguments", "differs"),
    [
        (["photos", "--glob", "*.png"], "--glob"),
        (["photos", "--top-k", "2"], "--top-k"),
        (["photos", "--probabilities"], "--probabilities"),
        (["photos", "--model", "fashion-mnist@1"], "--model"),
        (["photos", "--runtime", "tensorflow"], "--runtime"),
        (["./photos"], "the folders"),
        (["--list", "list"], "--list"),
    ],
)
def test_changed_options_of_an_existing_job_are_named_with_the_fix(
    here: Path, arguments: list[str], differs: str
) -> None:
    journal = started_job(here)
    before = journal.read_bytes()
    line = complaint(run("classify", *arguments, "-o", "out.csv"), Exit.USAGE)
    assert differs in line
    assert "--restart" in line
    assert journal.read_bytes() == before


@pytest.mark.parametrize("code", [Exit.OK, Exit.SOME_FAILED, Exit.SETUP])
def test_a_finished_job_reports_it_and_repeats_its_exit_code_without_a_server(
    here: Path, code: Exit
) -> None:
    lacks = Unlisted(1, "photos/closed") if code is Exit.SOME_FAILED else Unlisted()
    started_job(here, exit=str(int(code)).encode(), unlisted=msgspec.json.encode(lacks))
    result = run("classify", "photos", "-o", "out.csv")
    assert result.exit_code == code
    assert "finished already" in result.stderr
    assert "--restart" in result.stderr
    assert "was missing; it was written again" in result.stderr
    assert (here / "out.csv").read_text().startswith("path,")
    assert "was missing" not in run("classify", "photos", "-o", "out.csv").stderr
    assert "nothing to retry" in run("classify", "photos", "-o", "out.csv", "--retry-failed").stderr


def test_a_job_that_starts_over_does_so_with_another_list_and_repeats_no_failed_row(
    here: Path,
) -> None:
    finish(options_of(here, list_file=b"list"))
    (here / "list").write_text("photos/2.png\n")
    again = ("classify", "--list", "list", "-o", "out.csv")
    assert "start over with --restart" in complaint(run(*again), Exit.USAGE)
    assert "does not answer" in complaint(run(*again, "--restart"), Exit.SETUP)
    first = run("classify", "photos", "-o", "new.csv", "--retry-failed")
    assert "has no job yet; start it without --retry-failed" in complaint(first, Exit.USAGE)


def test_a_finished_job_names_the_version_that_is_in_use_now(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANGTAG_STORE", str(here / "store"))
    finish(options_of(here, b"photos"))
    newer = msgspec.structs.replace(packaged.card(), files={})
    Registry(here / "store").publish(newer, {"model.tflite": b"1"})
    Registry(here / "store").promote(newer.name, 1)
    command = ("classify", "photos", "-o", "out.csv")
    assert "in use now" not in run(*command).stderr  # the versions are those of a server
    monkeypatch.delenv("HANGTAG_REDIS_URL")
    said = run(*command).stderr
    assert "with fashion-mnist@0; fashion-mnist@1 is in use now" in said
    Registry(here / "store").promote(newer.name, 0)
    assert "in use now" not in run(*command).stderr


def test_a_table_stands_for_the_options_of_its_job_in_any_folder(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(options_of(here, b"photos", glob=("*.png",)), kept=3)
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    again = run("classify", "../out.csv", "--top-k", "2")
    assert again.exit_code == Exit.OK, again.output
    assert "nothing was classified" in again.stderr
    (here / "photos/2.png").touch()
    new = run("classify", "../out.csv")
    assert "1 file has appeared since the job started" in new.stderr
    line = complaint(run("classify", "../out.csv", "--model", "shoes@1"), Exit.USAGE)
    assert "was started with other options (--model" in line
    line = complaint(run("classify", "../out.csv", "--restart"), Exit.SETUP)
    assert "does not answer" in line  # it would classify the folder of the job


@pytest.mark.parametrize(
    ("first", "more", "expected"),
    [
        ({"accept": 0.95, "columns": ("label", "guess")}, {}, {}),
        ({"accept": "all", "top_k": 2}, {}, {}),
        ({"min_confidence": 0.5}, {}, {}),
        ({"min_confidence": 0.5}, {"accept": 0.9}, {"accept": 0.9, "min_confidence": None}),
        ({"accept": 0.95}, {"min_confidence": 0.5}, {"min_confidence": 0.5, "accept": None}),
        ({"columns": ("label",)}, {"columns": ()}, {"columns": ()}),
    ],
)
def test_a_table_that_is_started_over_displays_answers_as_before(
    here: Path, first: dict[str, Any], more: dict[str, Any], expected: dict[str, Any]
) -> None:
    finish(options_of(here, b"photos", **first))
    asked = resolved(JobOptions((b"out.csv",), restart=True, **more), Settings())
    fields = {"accept": None, "min_confidence": None, "columns": None} | first | expected
    assert {field: getattr(asked, field) for field in fields} == fields


@pytest.mark.parametrize(
    ("code", "again", "proposed"),
    [
        (Exit.SOME_FAILED, (), "hangtag classify --retry-failed -- -out.csv"),
        (Exit.INTERRUPTED, (), "hangtag classify -- -out.csv"),
        (Exit.CANCELLED, ("--update",), "hangtag classify --update -- -out.csv"),
    ],
)
def test_the_next_command_names_the_table(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    code: Exit,
    again: tuple[str, ...],
    proposed: str,
) -> None:
    options = msgspec.structs.replace(options_of(here, b"photos"), output=str(here / "-out.csv"))
    finish(options)
    answers = AnswerCounts({}, {}, 0.98, {}, 0, 0)
    view = JobView("j", JobState.FINISHED, 3, 3, 1, "m@1", options.output, answers=answers)
    show_job_summary(Summary(view, code), again=again)
    assert f": {proposed}" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("ended", "counted", "images"),
    [(None, None, "192 of 447+ images"), (None, 2992, "192 of 2,992 images"),
     (0, None, "447 images")],
)  # fmt: skip
def test_an_unfinished_job_says_that_more_images_may_follow(
    here: Path, capsys: pytest.CaptureFixture[str], ended: int | None, counted: int | None,
    images: str,
) -> None:  # fmt: skip
    finish(options_of(here, b"photos"))
    view = JobView("j", JobState.PAUSED, 447, 192, 0, "m@1", str(here / "out.csv"))
    view = msgspec.structs.replace(view, exit_code=ended, file_count=counted)
    show_job_summary(Summary(view, Exit.INTERRUPTED))
    assert f"job j: {images}, " in click.unstyle(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("folders", "list_file", "table"),
    [
        ((b"photos",), b"", "photos.csv"),
        ((b"photos/",), b"", "photos.csv"),
        ((b"/a/b/2024.06",), b"", "2024.06.csv"),
        ((b"../x/..",), b"", None),
        ((b"shoe.jpg",), b"", "shoe.jpg.csv"),
        ((), b"lists/names.txt", "names.csv"),
        ((b"/",), b"", ""),
        ((b"a", b"b"), b"", ""),
    ],
)
def test_a_table_is_named_like_its_folder(
    here: Path, folders: tuple[bytes, ...], list_file: bytes, table: str | None
) -> None:
    if table == "":
        with pytest.raises(UsageError, match=r"name the table with -o$"):
            default_output(folders, list_file)
    else:
        assert default_output(folders, list_file) == (table or f"{here.parent.name}.csv")


def globs(*patterns: str) -> list[str]:
    """The patterns as options."""
    return [word for pattern in patterns for word in ("--glob", pattern)]


def test_the_same_globs_resume_a_job_in_any_order_and_others_do_not(here: Path) -> None:
    finish(options_of(here, b"photos", glob=("*.png", "1*")))
    for patterns in (["*.png", "1*"], ["1*", "*.png", "1*"]):
        assert run("classify", "photos", *globs(*patterns), "-o", "out.csv").exit_code == Exit.OK
    line = complaint(run("classify", "photos", *globs("*.png"), "-o", "out.csv"), Exit.USAGE)
    assert "--glob" in line
