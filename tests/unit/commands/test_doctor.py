"""`hangtag doctor` finds what is wrong and says what to do, changes nothing, and has no secrets."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.job.job_index import IndexedJob, index_dir, remember
from producer.job.journal import journal_path
from producer.machine import desired_state, machine_resources
from producer.machine.desired_state import Desired
from producer.monitor import doctor as checks
from producer.monitor.doctor import Level, Report
from producer.table.output_path import nearest
from shared import installation, keys
from shared.broker.runtime_paths import log_path, private_stack_dir, socket_path, stack_dir
from shared.errors import Exit, SetupError
from shared.ledger import heartbeats
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.settings import Settings
from tests.support.servers.redis_server import RedisServer

SECRET = "hunter2-very-secret"


def _sizes_apart(text: str) -> str:
    """The text without its sizes: a server's memory differs between two commands."""
    return re.sub(r"[\d.,]+ [kMG]?B\b", "SIZE", text)


def examined(code: Exit = Exit.OK) -> Report:
    """The findings, after the text and the JSON were checked against each other."""
    result = CliRunner().invoke(hangtag, ["doctor", "--json"])
    text = CliRunner().invoke(hangtag, ["doctor"])
    assert result.exit_code == text.exit_code == code, text.output
    assert SECRET not in result.output + text.output
    report = msgspec.json.decode(result.stdout, type=Report)
    for one in report.findings:
        if one.level is not Level.OK:  # others have figures that change
            assert _sizes_apart(" ".join(one.text.split())) in _sizes_apart(text.stdout)
        assert f"-> {one.fix}" in text.stdout or not one.fix
    assert report.problems == sum(finding.level is Level.PROBLEM for finding in report.findings)
    return report


def problems(report: Report) -> dict[str, str]:
    return {
        finding.topic: finding.text for finding in report.findings if finding.level is Level.PROBLEM
    }


def test_a_fresh_machine_has_no_problem_and_nothing_is_created() -> None:
    home = Path(os.environ["XDG_STATE_HOME"]).parent
    before = sorted(home.rglob("*"))
    report = examined()
    assert {"hangtag", "classify", "server", "train", "broker", "models", "jobs", "disk",
            "memory"} <= {finding.topic for finding in report.findings}  # fmt: skip
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize(
    ("variables", "topic", "text"),
    [
        ({"HANGTAG_REDIS_URL": f"redis://:{SECRET}@127.0.0.1:1"}, "broker", "does not answer"),
        ({"HANGTAG_REDIS_URL": f"redis://u:{SECRET}@broker.example"}, "broker", "broker.example"),
        ({"HANGTAG_ROUND_S": "soon"}, "settings", "is not a number"),
        ({"HANGTAG_MODEL": "garmets"}, "models", "there is no model garmets"),
    ],
)
def test_a_wrong_setting_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], topic: str, text: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert text in problems(examined(Exit.SETUP))[topic]


def _a_file(folder: Path) -> None:
    folder.touch()


def _foreign_content(folder: Path) -> None:
    folder.mkdir()
    (folder / "lock").touch()
    folder.chmod(0o755)


def _sticky(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o1777)


def _of_another_user(folder: Path) -> None:
    folder.mkdir()
    try:
        os.chown(folder, 65534, -1)
    except PermissionError:
        pytest.skip("only root gives a folder away")


def _unwritable(folder: Path) -> None:
    folder.symlink_to("/proc/sys")  # also by root


@pytest.mark.parametrize(
    ("make", "inner", "text"),
    [
        (_a_file, "", "is not a folder of this user"),
        (_a_file, "sub", "Not a directory"),
        (_foreign_content, "", "is not for this user's stacks alone"),
        (_sticky, "", "is not for this user's stacks alone"),
        (_of_another_user, "", "is not a folder of this user"),
        (_sticky, "a" * 100, "is too long for a socket"),
        (_unwritable, "sub", "is not writable"),
    ],
)
def test_a_runtime_folder_in_which_no_stack_starts_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], inner: str, text: str
) -> None:
    base = Path(os.environ["HANGTAG_RUNTIME_DIR"])
    make(base)
    folder = base / inner if inner else base
    monkeypatch.setenv("HANGTAG_RUNTIME_DIR", str(folder))
    before = [(path, path.lstat().st_mode) for path in sorted(base.parent.rglob("*"))]
    found = problems(examined(Exit.SETUP))
    assert [(path, path.lstat().st_mode) for path in sorted(base.parent.rglob("*"))] == before
    assert list(found) == ["broker"]
    assert text in found["broker"]
    with pytest.raises((SetupError, OSError)):
        private_stack_dir(Settings.from_env())


@pytest.mark.parametrize("url", ["", "unix:///run/absent.sock"])
def test_an_invalid_setting_of_workers_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("HANGTAG_LOG_JSON", "yes")
    monkeypatch.setenv("HANGTAG_REDIS_URL", url)
    report = examined(Exit.SETUP)
    assert problems(report)["settings"] == "HANGTAG_LOG_JSON is 1 or 0"
    assert "broker" in {finding.topic for finding in report.findings}


def test_missing_packages_say_what_they_prevent(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = {"ai_edge_litert", "tensorflow", "onnx"}
    monkeypatch.setattr(
        installation, "absent", lambda packages: [name for name in packages if name in lacking]
    )
    report = examined(Exit.SETUP)
    assert problems(report) == {"classify": "not possible on this machine: ai-edge-litert missing"}
    for topic, extra in (("networks", "all,tensorflow"), ("onnx", "onnx")):
        (found,) = [finding for finding in report.findings if finding.topic == topic]
        assert found.level is Level.NOTE
        assert f"[{extra}]" in found.fix
    elsewhere = {one.topic: one.level for one in checks.installed(Settings(redis_url="x"))}
    assert elsewhere["classify"] is Level.NOTE  # workers are on other machines


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF])
def test_a_store_without_locks_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """NFS has none on a folder that is open to read, which says nothing of files."""

    def flock(file: int, kind: int) -> None:
        raise OSError(number, os.strerror(number))

    settings = Settings(store=str(tmp_path))
    assert [one.level for one in checks.models(settings)] == [Level.OK, Level.OK]
    monkeypatch.setattr(fcntl, "flock", flock)
    levels = [one.level for one in checks.models(settings)]
    assert (Level.PROBLEM in levels) == (number != errno.EBADF)


def test_a_broker_is_reported_with_its_workers(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANGTAG_REDIS_URL", server.url)
    report = examined(Exit.SETUP)
    assert problems(report) == {"workers": "none is alive"}
    (workers,) = [finding for finding in report.findings if finding.topic == "workers"]
    assert workers.fix.endswith("hangtag worker")


@pytest.fixture
def at_the_stack(server: RedisServer) -> RedisServer:
    """At the socket of this machine's stack."""
    settings = Settings.from_env()
    private_stack_dir(settings)
    socket_path(settings).symlink_to(server.socket)
    return server


@pytest.mark.parametrize(
    ("up_s", "floor", "missing"),
    [(0.0, None, True), (0.0, 1, True), (0.0, 0, False), (1e9, None, False)],
)
def test_a_stack_lacks_a_worker_only_if_it_wants_one_and_has_been_up_for_a_while(
    at_the_stack: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    up_s: float,
    floor: int | None,
    missing: bool,
) -> None:
    """A trainer is started if a request needs it."""
    settings = Settings.from_env()
    monkeypatch.setattr(checks, "STARTING_S", up_s)
    desired_state.save(stack_dir(settings), Desired(floor=floor))
    found = {one.topic: one for one in checks.reachable(settings)}
    assert found["broker"].text.startswith("this machine's stack, Redis ")
    text = "although this machine's stack is up" if missing else "starts one if needed"
    assert text in found["workers"].text
    assert found["workers"].level is (Level.PROBLEM if missing else Level.OK)
    assert found["workers"].fix == (f"see {log_path(settings)}" if missing else "")
    assert "starts one if needed" in found["trainers"].text
    assert found["trainers"].level is Level.OK


def test_living_workers_are_counted_with_their_processes_and_machines(
    at_the_stack: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "STARTING_S", 0.0)
    now = heartbeats.server_ms(at_the_stack.client)
    for name, children in (("one", ["1:1", "2:1"]), ("two", ["3:1"])):
        beat = heartbeats.Heartbeat(
            f"{name}:1:1", name, 1, keys.CLASSIFY_QUEUE, children, [], 0, 0.0, 0, now, now, {}
        )
        heartbeats.beat(at_the_stack.client, beat, 60)
    found = {one.topic: one for one in checks.reachable(Settings.from_env())}
    assert found["workers"].text == "2 workers, 3 processes: one, two"
    assert found["workers"].level is Level.OK
    old = msgspec.structs.replace(beat, id="old:1:1", host="old")
    at_the_stack.client.set("hangtag:worker:old:1:1", msgspec.json.encode(old))
    at_the_stack.client.zadd("hangtag:workers", {"old:1:1": now / 1000})
    _, older = (one for one in checks.reachable(Settings.from_env()) if one.topic == "workers")
    assert older.level is Level.NOTE
    assert older.text == "of Hangtag 0.2.0, which get no job: old:1"


def test_a_disk_is_named_once_and_the_log_if_there_is_one() -> None:
    store = index_dir().parent / "models"  # on one disk
    settings = msgspec.structs.replace(Settings.from_env(), store=str(store))
    places = (settings.store_path, index_dir(), Path.cwd())
    disks = {os.stat(nearest(place)).st_dev for place in places}
    assert len([one for one in checks.room(settings) if one.topic == "disk"]) == len(disks)
    assert "log" not in {finding.topic for finding in checks.jobs(settings)}
    private_stack_dir(settings)
    log_path(settings).write_text("started\n")
    assert [finding.text for finding in checks.jobs(settings) if finding.topic == "log"] == [
        str(log_path(settings))
    ]


class Usage(NamedTuple):
    """As of `shutil.disk_usage`."""

    total: int
    used: int
    free: int


def test_a_full_disk_and_damaged_files_are_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(Settings.from_env().store_path)
    card = msgspec.structs.replace(packaged.card(), name="shoes", files={})
    registry.publish(card, {"model.tflite": b"1"})
    (registry.folder("shoes") / "1" / "card.json").write_bytes(b"{")
    table = tmp_path / "out.csv"
    journal_path(table).write_bytes(b"no journal" * 1000)
    remember(IndexedJob("k3fa2b1c", str(table), 1.0))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10, 10, (1 << 30) - 1))
    found = problems(examined(Exit.SETUP))
    assert "the card of shoes@1 is damaged" in found["models"]
    assert found["jobs"] == f"the journal of {table} cannot be read"
    assert "free at" in found["disk"]


def test_little_memory_and_little_disk_are_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limits there is no problem."""
    for memory, low in ((512 << 20, False), ((512 << 20) - 1, True)):
        monkeypatch.setattr(machine_resources, "memory_bytes", lambda size=memory: size)
        found = {one.topic: one for one in checks.room(Settings.from_env())}["memory"]
        assert (found.level is Level.PROBLEM, "hangtag up --workers 1" in found.fix) == (low, low)
    for free, low in ((1 << 30, False), ((1 << 30) - 1, True)):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, size=free: Usage(10, 10, size))
        disks = [one for one in checks.room(Settings.from_env()) if one.topic == "disk"]
        assert {one.level is Level.PROBLEM for one in disks} == {low}
        assert all((one.fix == "make room") == low for one in disks)


def test_a_broker_whose_memory_is_nearly_used_is_a_problem(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANGTAG_REDIS_URL", server.url)
    used = server.client.info("memory")["used_memory"]
    for limit, full in ((0, False), (10 * used, False), (int(1.1 * used), True)):
        server.client.config_set("maxmemory", limit)
        found = {finding.topic: finding for finding in examined(Exit.SETUP).findings}["broker"]
        assert (found.level is Level.PROBLEM, "producers pause" in found.text) == (full, full)
        assert ("raise its maxmemory" in found.fix) == full


def test_a_broker_that_evicts_keys_is_a_problem_with_its_remedy(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANGTAG_REDIS_URL", server.url)
    server.client.config_set("maxmemory-policy", "allkeys-lru")
    found = {finding.topic: finding for finding in examined(Exit.SETUP).findings}
    assert found["broker"].level is Level.PROBLEM
    assert "allkeys-lru" in found["broker"].text
    assert "CONFIG SET maxmemory-policy noeviction" in found["broker"].fix
    assert "workers" in found
