"""A full or read-only store: one line, exit code 1, no partial change, and a repeatable command."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from shared.errors import Exit, SetupError
from shared.messages.model_card import Card
from shared.messages.requests import Outcome, Remove, Request
from shared.registry import packaged
from shared.registry.registry import Registry
from tests.support.jobs import stored_requests
from tests.support.machine.small_disk import Disk, mounted
from worker.requests.outcomes import failed

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root, to mount a small disk")
NAME = "shoes"
FILES = {"model.tflite": bytes(5_000), "model.keras": bytes(9_000)}
PAGE_BYTES = 4096
#: More than a version needs.
ROOM = 16
#: Bytes of the last page of the alias log that are free when the disk is full.
GAPS = (0, 1, 60, 100)


def card() -> Card:
    return msgspec.structs.replace(packaged.card(), name=NAME, files={})


def publish(store: Path) -> Card:
    return Registry(store).publish(card(), FILES, who="tester")


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A disk with a store of three versions, of which the first is in production."""
    with mounted(tmp_path / "disk", "1m") as disk:
        store = disk.folder / "store"
        monkeypatch.setenv("HANGTAG_STORE", str(store))
        for _ in range(3):
            publish(store)
        yield disk


def run(*arguments: str) -> tuple[int, str]:
    """Run a command; returns its exit code and standard error."""
    result = CliRunner().invoke(hangtag, ["models", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stderr


def refused(*arguments: str) -> None:
    """The command ends with one line that names the store."""
    code, stderr = run(*arguments)
    assert code == Exit.SETUP, stderr
    (line,) = stderr.splitlines()
    assert line.startswith("hangtag: ")
    assert "/store/" in line


def pad(log: Path, gap: int) -> None:
    """Append blank lines to the log until `gap` bytes of its last page are free."""
    with log.open("ab") as file:
        size = log.stat().st_size
        file.write(b"\n" * ((-size - gap) % PAGE_BYTES))


def everything(store: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}


MOVES = [("promote", f"{NAME}@3"), ("rollback", NAME)]


@pytest.mark.parametrize("move", MOVES, ids=lambda move: str(move[0]))
@pytest.mark.parametrize("gap", GAPS)
def test_a_move_on_a_full_disk_changes_nothing_and_can_be_repeated(
    disk: Disk, gap: int, move: tuple[str, str]
) -> None:
    store = disk.folder / "store"
    Registry(store).promote(NAME, 2)
    log = store / NAME / "aliases.log"
    pad(log, gap)
    disk.fill(0)
    before = everything(store)
    refused(*move)
    assert everything(store) == before
    disk.free()
    assert run(*move)[0] == Exit.OK
    assert Registry(store).aliases(NAME) == {"production": 3 if move[0] == "promote" else 1}


@pytest.mark.parametrize(
    "command",
    [*MOVES, ("prune", NAME, "--keep", "0", "--yes")],
    ids=lambda command: str(command[0]),
)
def test_a_command_on_a_read_only_disk_changes_nothing(
    disk: Disk, command: tuple[str, ...]
) -> None:
    store = disk.folder / "store"
    Registry(store).promote(NAME, 2)
    disk.read_only()
    before = everything(store)
    try:
        refused(*command)
        with pytest.raises(SetupError, match="Read-only"):
            publish(store)
        assert everything(store) == before
    finally:
        disk.writable()
    assert run(*command)[0] == Exit.OK


def test_a_request_that_failed_on_a_full_disk_advises_another_id(disk: Disk) -> None:
    """A failure is final: the same command with the same id would only report it again."""
    disk.fill(0)
    errors = list[Exception]()
    for write in (publish, lambda store: (store / "state.npz").write_bytes(bytes(PAGE_BYTES))):
        with pytest.raises((SetupError, OSError)) as full:
            write(disk.folder / "store")
        errors.append(full.value)
    for line in (failed(error).error for error in errors):
        assert "No space left" in line
        assert "another --request-id" in line
        assert "same command" not in line


def test_versions_are_pruned_on_a_full_disk(disk: Disk) -> None:
    disk.fill(0)
    assert run("prune", NAME, "--keep", "0", "--yes")[0] == Exit.OK
    assert Registry(disk.folder / "store").versions(NAME) == [1]


def check_published(store: Path, grow: Callable[[], None]) -> bool:
    """Publish a first version, and again after `grow` if it fails with one line and no version.

    Returns whether the first attempt succeeded.
    """
    registry = Registry(store)
    refusal = ""
    try:
        publish(store)
    except SetupError as error:
        refusal = str(error)
    if refusal:
        assert str(store) in refusal.splitlines()[0]
        assert len(refusal.splitlines()) == 1
        assert registry.versions(NAME) == []
        assert registry.aliases(NAME) == {}
        grow()
        publish(store)
    (version,) = registry.versions(NAME)
    assert registry.aliases(NAME) == {"production": version}
    found = registry.card(NAME, version)
    assert {name: registry.read(found, name) for name in FILES} == FILES
    return not refusal


#: Limit of a tmpfs -> its mount option.
LIMITS = {"blocks": "size={}k", "inodes": "nr_inodes={}"}
EACH = {"blocks": PAGE_BYTES >> 10, "inodes": 1}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_first_version_is_whole_and_in_production_or_does_not_exist(
    tmp_path: Path, limit: str
) -> None:
    """On disks of increasing size, until the version fits."""

    def size(room: int) -> str:
        return "1m," + LIMITS[limit].format(room * EACH[limit])

    for room in range(1, ROOM):
        with mounted(tmp_path / str(room), size(room)) as disk:

            def grow(disk: Disk = disk) -> None:
                disk.resize(size(ROOM))

            if check_published(disk.folder / "store", grow):
                break
    assert ROOM - 1 > room > 4, "no disk was full, or none had enough room"


def test_an_outcome_takes_the_place_of_the_work_on_a_full_disk(disk: Disk) -> None:
    request = Request("one", Remove(NAME, keep=3), "tester@here", 1.0)
    folder = stored_requests.keep(disk.folder / "store", request, b"a model")
    assert folder.enter()
    (folder.work / "images.npy").write_bytes(bytes(100_000))
    disk.fill(0)
    stored_requests.finish(folder, Outcome(ok=True), {"grid.png": bytes(20_000)})
    known = folder.outcome()
    assert known is not None
    assert known.ok
    assert len(folder.files(known)) == 1
    assert not folder.work.exists()


def test_a_request_is_cancelled_on_a_full_disk(disk: Disk) -> None:
    request = Request("one", Remove(NAME, keep=3), "tester@here", 1.0)
    folder = stored_requests.keep(disk.folder / "store", request, b"a model")
    disk.fill(0)
    assert folder.cancel()
    assert folder.is_cancelled
    assert folder.input() is None
