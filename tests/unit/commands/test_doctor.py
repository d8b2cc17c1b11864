"""`hangtag doctor` finds what is wrong and says what to do, changes nothing, and has no secrets."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.doctor import installed, stored
from producer.doctor.doctor import Report
from producer.doctor.finding import Level
from producer.journal.job_index import Entry, remember
from producer.journal.journal import journal_path
from shared import installation
from shared.errors import Exit
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.settings import Settings
from tests.support.servers.redis_server import RedisServer

SECRET = "hunter2-very-secret"


def examined(code: Exit = Exit.OK) -> Report:
    """The findings, after the text and the JSON were checked against each other."""
    result = CliRunner().invoke(hangtag, ["doctor", "--json"])
    text = CliRunner().invoke(hangtag, ["doctor"])
    assert result.exit_code == text.exit_code == code, text.output
    assert SECRET not in result.output + text.output
    report = msgspec.json.decode(result.stdout, type=Report)
    for one in report.findings:
        if one.level is not Level.OK:  # others have figures that change
            assert " ".join(one.text.split()) in text.stdout
        if one.level is not Level.OK:  # others have figures that change
            assert " ".join(one.text.split()) in text.stdout
        assert f"-> {one.fix}" in text.stdout or not one.fix
    assert report.problems == sum(one.level is Level.PROBLEM for one in report.findings)
    return report


def problems(report: Report) -> dict[str, str]:
    return {one.topic: one.text for one in report.findings if one.level is Level.PROBLEM}


def test_a_fresh_machine_has_no_problem_and_nothing_is_created(tmp_path: Path) -> None:
    home = Path(os.environ["XDG_STATE_HOME"]).parent
    before = sorted(home.rglob("*"))
    report = examined()
    assert {"hangtag", "classify", "server", "train", "broker", "models", "jobs", "disk",
            "memory"} <= {one.topic for one in report.findings}  # fmt: skip
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize(
    ("variables", "topic", "text"),
    [
        ({"HANGTAG_REDIS_URL": f"redis://:{SECRET}@127.0.0.1:1"}, "broker", "does not answer"),
        ({"HANGTAG_REDIS_URL": f"redis://u:{SECRET}@broker.example"}, "broker", "broker.example"),
        ({"HANGTAG_LEASE_S": "soon"}, "settings", "is not a number"),
        ({"HANGTAG_MODEL": "garmets"}, "models", "there is no model garmets"),
    ],
)
def test_a_wrong_setting_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], topic: str, text: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert text in problems(examined(Exit.SETUP))[topic]


def test_missing_packages_say_what_they_prevent(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = {"ai_edge_litert", "tensorflow"}
    monkeypatch.setattr(
        installation, "absent", lambda packages: [name for name in packages if name in lacking]
    )
    report = examined(Exit.SETUP)
    assert problems(report) == {"classify": "not possible on this machine: ai-edge-litert missing"}
    (train,) = [one for one in report.findings if one.topic == "train"]
    assert train.level is Level.NOTE
    assert "pip install" in train.fix
    elsewhere = {one.topic: one.level for one in installed.installed(Settings(redis_url="x"))}
    assert elsewhere["classify"] is Level.NOTE  # workers are on other machines


def test_a_broker_is_reported_with_its_workers(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANGTAG_REDIS_URL", server.url)
    report = examined(Exit.SETUP)
    assert problems(report) == {"workers": "none is alive"}
    (workers,) = [one for one in report.findings if one.topic == "workers"]
    assert workers.fix.endswith("hangtag worker")


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
    remember(Entry("k3fa2b1c", str(table), 1.0))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10, 10, stored.DISK_BYTES - 1))
    found = problems(examined(Exit.SETUP))
    assert "the card of shoes@1 is damaged" in found["models"]
    assert found["jobs"] == f"the journal of {table} cannot be read"
    assert "free at" in found["disk"]
