"""What commands do with damaged decisions: they stop in one line, write nothing, and go on once the
command in the line has repaired the file. An incomplete last line is skipped, and said."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from producer.cli.main import hangtag
from producer.trainer.corrected_files import corrected_files, labelled_input
from shared.errors import Exit
from shared.labels.labels_file import LabelsFile
from tests.support.jobs.decided import correct, line_of, lines_in
from tests.support.jobs.finished_job import finish, options_of

ONE, TWO = bytes(range(40)), bytes(range(50))
Damage = Callable[[list[bytes]], list[bytes]]
#: Of three lines, with the number of the line that is named.
DAMAGES: dict[str, tuple[Damage, int]] = {
    "a changed label": (lambda lines: [lines[0].replace(b"Coat", b"Goat"), *lines[1:]], 1),
    "a removed line": (lambda lines: [lines[0], lines[2]], 2),
    "a swapped line": (lambda lines: [lines[1], lines[0], lines[2]], 1),
    "two files in one": (lambda lines: lines * 2, 4),
    "a line of 0.2.0 after others": (
        lambda lines: [*lines, lines[0].partition(b',"line":')[0] + b"}\n"], 4
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table that displays the first of three corrections, labels of its images, and a broker that
    nobody reaches."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HANGTAG_REDIS_URL", "redis://127.0.0.1:1")
    (tmp_path / "photos").mkdir()
    for n in range(4):
        (tmp_path / f"photos/{n}.png").write_bytes((ONE, TWO)[n % 2])
    finish(options_of(tmp_path, b"photos"))
    correct(Path("out.csv"), ONE, "Coat", 1, 3)
    assert run("table", "out.csv").exit_code == Exit.OK
    correct(Path("out.csv"), TWO, "Coat", 2, 4)
    correct(Path("out.csv"), TWO, "Bag", 2, 4)
    labels = LabelsFile(Path("photos.labels.jsonl"))
    labels.append([
        line_of(bytes(n), label) for n, label in enumerate(("Coat", "Bag", "Bag"))
    ])  # fmt: skip
    labels.close()
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(hangtag, words)


LOG, LABELS = "out.csv.corrections.jsonl", "photos.labels.jsonl"
#: With the file that each reads.
COMMANDS = {
    ("table", "out.csv"): LOG,
    ("table", "out.csv", "-o", "copy.csv"): LOG,
    ("report", "out.csv"): LOG,
    ("sort", "out.csv", "--into", "sorted", "--move"): LOG,
    ("review", "out.csv"): LOG,
    ("train", "photos", "--corrections", "out.csv"): LOG,
    ("train", "photos", "--labels"): LABELS,
    ("label", "photos"): LABELS,
}


def tree(folder: Path) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("out.csv.hangtag")  # its journal is opened
    }


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_stops_in_one_line_and_writes_nothing(
    here: Path, words: tuple[str, ...], damage: str
) -> None:
    name, (damaged, number) = COMMANDS[words], DAMAGES[damage]
    path = here / name
    path.write_bytes(b"".join(damaged(path.read_bytes().splitlines(keepends=True))))
    before = tree(here)
    result = run(*words)
    assert result.exit_code == Exit.SETUP, result.output
    assert f"{name}:{number}: " in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert tree(here) == before


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_command_in_the_line_repairs_the_file(here: Path, damage: str) -> None:
    path = here / LOG
    path.write_bytes(b"".join(DAMAGES[damage][0](path.read_bytes().splitlines(keepends=True))))
    repair = run("report", "out.csv").stderr.strip().rpartition(": ")[2]
    subprocess.run(repair, shell=True, check=True)
    assert run("report", "out.csv").exit_code == Exit.OK
    correct(Path("out.csv"), ONE, "Bag", 1, 3)
    assert run("table", "out.csv").exit_code == Exit.OK


@pytest.mark.parametrize(
    ("name", "read"),
    [
        (LOG, lambda: run("table", "out.csv")),
        (LOG, lambda: run("report", "out.csv")),
        (LOG, lambda: run("sort", "out.csv", "--into", "sorted", "--copy")),
        (LOG, lambda: corrected_files([Path("out.csv")])),
        (LABELS, lambda: labelled_input(Path(LABELS), "photos")),
    ],
    ids=["table", "report", "sort", "train --corrections", "train --labels"],
)
def test_an_incomplete_last_line_is_skipped_and_said_once(
    here: Path, name: str, read: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    whole = (here / name).read_bytes()
    (here / name).write_bytes(whole + whole[:50])
    done = read()
    assert not isinstance(done, Result) or done.exit_code == Exit.OK, done
    (said,) = caplog.messages
    assert f"{name}:4: " in said
    assert (here / name).read_bytes() == whole + whole[:50]


def test_a_line_that_a_person_has_emptied_is_no_decision(here: Path) -> None:
    first, second, third = (here / LOG).read_bytes().splitlines(keepends=True)
    (here / LOG).write_bytes(first + b"\n" + third)
    assert [one.label for one in lines_in(here / LOG)] == ["Coat", "Bag"]
    (here / LOG).write_bytes(first + second + b"\n")
    correct(Path("out.csv"), TWO, "Bag", 2, 4)
    assert [one.label for one in lines_in(here / LOG)] == ["Coat", "Coat", "Bag"]
