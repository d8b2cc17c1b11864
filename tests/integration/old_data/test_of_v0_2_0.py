"""Jobs, tables, sorts, corrections, labels, requests and versions that version 0.2.0 wrote."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import hangtag as api
from producer.cli.main import hangtag
from producer.table.csv_cells import unescape
from shared.errors import Exit
from shared.registry.registry import Registry
from tests.support.jobs import expected_table
from tests.support.processes import in_process
from tests.support.processes.fleet import Fleet
from tests.support.servers.redis_server import RedisServer

#: What the commands of 0.2.0 wrote; commit fd0f9d4f has the script, tests/old_data/make_v0_2_0.py.
ARCHIVE = Path(__file__).parents[2] / "old_data" / "v0.2.0.tar.xz"
#: Journals name absolute paths.
ROOT = Path("/tmp/hangtag-v0.2.0")
HOME = ("XDG_STATE_HOME", "XDG_DATA_HOME")
MODELS = Path("home", "XDG_DATA_HOME", "hangtag", "models")
#: By model; `together` is one graph of two networks, in fp32.
VERSIONS = {"tutorial": 1, "short": 1, "together": 3}
FINISHED = (
    *("finished.csv", "all.csv", "of-form.jsonl", "retried.csv", "updated.csv", "corrected.csv"),
    *(f"by-{name}.csv" for name in VERSIONS),
)
#: The numbers of the journals' format.
SCHEMAS = {"finished.csv": b"5", "of-form.jsonl": b"6", "updated.csv": b"7"}
#: Between two kinds of processors.
CONFIDENCE_DIFFERS_BY = 0.02


@pytest.fixture(scope="module")
def unpacked() -> Iterator[Path]:
    """The data at their place; other runs of the tests on this machine wait."""
    with ROOT.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(ROOT, ignore_errors=True)
        with tarfile.open(ARCHIVE) as archive:
            archive.extractall(ROOT.parent, filter="data")
        yield ROOT
        shutil.rmtree(ROOT)


@pytest.fixture
def data(unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data, as the folder and the home of a user."""
    monkeypatch.chdir(unpacked)
    for name in HOME:
        monkeypatch.setenv(name, str(unpacked / "home" / name))
    return unpacked


@pytest.fixture(scope="module")
def workers(server_binary: Path) -> Iterator[Fleet]:
    """A broker with a worker, for tests that classify."""
    with RedisServer(server_binary) as server, Fleet(server) as fleet:
        fleet.worker(concurrency=1)
        yield fleet


def run(*arguments: str, code: Exit = Exit.OK) -> Result:
    result = CliRunner().invoke(hangtag, arguments)
    assert result.exit_code == code, (arguments, result.output)
    return result


def tree(folder: Path) -> dict[str, bytes]:
    return {
        os.path.relpath(path, folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def check_rows(rows: Sequence[dict[str, str]], expected: Sequence[dict[str, str]]) -> None:
    assert len(rows) == len(expected)
    for mine, theirs in zip(rows, expected, strict=True):
        a, b = mine.pop("confidence"), theirs.pop("confidence")
        assert mine == theirs
        assert (a == b) or abs(float(a) - float(b)) < CONFIDENCE_DIFFERS_BY


@pytest.mark.parametrize(("name", "number"), SCHEMAS.items())
def test_the_journals_have_every_number_that_0_2_0_wrote(
    tmp_path: Path, name: str, number: bytes
) -> None:
    with tarfile.open(ARCHIVE) as archive:  # other tests change what is unpacked for all
        archive.extract(f"{ROOT.name}/{name}.hangtag", tmp_path, filter="data")
    address = f"file:{tmp_path}/{ROOT.name}/{name}.hangtag?mode=ro&immutable=1"
    with closing(sqlite3.connect(address, uri=True)) as journal:
        found = journal.execute("SELECT value FROM job WHERE key = 'schema'").fetchone()
    assert found == (number,)


@pytest.mark.parametrize("name", FINISHED)
def test_a_finished_table_verifies_and_is_rendered_with_the_same_bytes(
    data: Path, name: str
) -> None:
    run("verify", name)
    suffix = Path(name).suffix
    run("table", name, "-o", f"again{suffix}", "--force")
    assert (data / f"again{suffix}").read_bytes() == (data / name).read_bytes()


@pytest.mark.parametrize("form", ["tsv", "json", "jsonl"])
def test_a_table_is_rendered_with_the_same_bytes_in_other_forms(data: Path, form: str) -> None:
    run("table", "finished.csv", "-o", f"again.{form}", "--force")
    assert (data / f"again.{form}").read_bytes() == (data / f"finished.{form}").read_bytes()


def test_corrections_count(data: Path) -> None:
    run("table", "corrected.csv", "-o", "without.csv", "--force", "--no-corrections")
    pairs = zip(rows(data / "without.csv"), rows(data / "corrected.csv"), strict=True)
    changed = [after for before, after in pairs if before["label"] != after["label"]]
    assert {row["path"]: row["label"] for row in changed} == {
        "garments/Bag/0.bmp": "Suitcase", "garments/copy.bmp": "Suitcase",
        "garments/odd.bmp": "Coat",
    }  # fmt: skip


def test_labels_are_read_and_a_new_one_joins_them(data: Path) -> None:
    before = {image.path: image.label for image in api.labels("photos")}
    assert len(before) == 39
    assert set(before.values()) == {"Bag", "Sandal", "T-shirt_top", "Trouser"}
    api.label("photos", {"photos/Bag-100.png": "Bag"})
    after = {image.path: image.label for image in api.labels("photos")}
    assert len(after) == 40
    assert before.items() < after.items()


def test_an_unfinished_job_resumes_to_the_table_of_a_finished_one(
    data: Path, workers: Fleet
) -> None:
    command = in_process.run(workers, "classify", "garments", "-o", "half.csv", cwd=data)
    assert command.code == Exit.SOME_FAILED, command.story
    check_rows(rows(data / "half.csv"), rows(data / "finished.csv"))
    run("verify", "half.csv")


def test_a_finished_table_is_brought_up_to_date(data: Path, workers: Fleet) -> None:
    before = rows(data / "updated.csv")
    name = next(row["path"] for row in before if row["status"] == "ok")
    gone = data / os.fsdecode(unescape(name))
    shutil.copy2(gone, data / "grown/zz-new.bmp")
    gone.unlink()
    command = in_process.run(
        workers, "classify", "grown", "-o", "updated.csv", "--update", cwd=data
    )
    assert command.code == Exit.SOME_FAILED, command.story
    now = rows(data / "updated.csv")
    run("verify", "updated.csv")
    # The copy is in the table before, too, where the test has run with another server.
    others = [row for row in before if row["path"] not in (name, "grown/zz-new.bmp")]
    assert [row for row in now if row["path"] != "grown/zz-new.bmp"] == others
    assert len(now) == len(others) + 1


@pytest.mark.parametrize(("name", "number"), VERSIONS.items())
def test_a_version_is_listed_and_classifies_the_same_rows(
    data: Path, name: str, number: int
) -> None:
    registry = Registry(data / MODELS)
    assert registry.versions(name) == [number]
    card = registry.card(name, number)
    assert (card.name, card.version, len(card.labels)) == (name, number, 4)
    written = rows(data / f"by-{name}.csv")
    paths = [os.fsdecode(unescape(row["path"])) for row in written]
    table = expected_table.table(data, paths, version=expected_table.published(registry, card))
    check_rows(list(csv.DictReader(table.decode().splitlines())), written)


def test_a_move_is_refused_in_a_line_that_names_0_2_0(data: Path) -> None:
    before = tree(data / "moved")
    for arguments in (("verify", "moved.csv"), ("sort", "--undo", "moved")):
        (line,) = run(*arguments, code=Exit.SETUP).stderr.splitlines()
        assert "version 0.2.0" in line
    assert tree(data / "moved") == before


def test_a_request_that_had_not_ended_is_named_and_refused(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that has ended, in the other store, is neither listed nor done again."""
    assert "0.2.0" not in run("status").stderr
    monkeypatch.setenv("HANGTAG_STORE", str(data / "stack"))
    (notice,) = run("status").stderr.splitlines()
    assert "1 request of version 0.2.0" in notice
    (line,) = run("train", "--follow", "waiting", code=Exit.USAGE).stderr.splitlines()
    assert "request waiting is of version 0.2.0" in line
    assert json.loads(run("train", "--list", "--json").stdout) == []


def test_every_job_is_in_the_list(data: Path) -> None:
    listed = json.loads(run("status", "--json").stdout)
    assert {*FINISHED, "moved.csv"} <= {Path(job["output"]).name for job in listed}
