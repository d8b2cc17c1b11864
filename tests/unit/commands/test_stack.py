"""`hangtag up --workers`: the values it accepts, and what it reports for a configured broker."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.machine import desired_state
from producer.machine.desired_state import Desired
from producer.trainer.client import make_request
from shared.broker.runtime_paths import private_stack_dir
from shared.errors import Exit
from shared.messages.requests import Promote
from shared.settings import Settings
from tests.support.jobs import stored_requests

#: The placeholder in a command for another machine that needs a password.
FILE = "HANGTAG_REDIS_PASSWORD_FILE=..."


@pytest.mark.parametrize(
    ("url", "workers", "line"),
    [
        ("redis://h", "4", f"=redis://h:6379 {FILE} hangtag worker --concurrency 4"),
        ("redis://h", "auto", f"=redis://h:6379 {FILE} hangtag worker"),
        ("redis://localhost", "auto", "=redis://localhost:6379 hangtag worker"),
        (
            "rediss://me:top%2Fsecret@h:7/1",
            "auto:1-3",
            f"=rediss://h:7/1 HANGTAG_REDIS_USER=... {FILE} hangtag worker --concurrency 3",
        ),
        (
            "unix:///a b?db=2&password=secret",
            "2",
            f"='unix:///a%20b?db=2' {FILE} hangtag worker --concurrency 2",
        ),
        ("secret", "2", "=... hangtag worker --concurrency 2"),
    ],
)
def test_with_a_remote_broker_the_command_is_printed_without_a_password(
    url: str, workers: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANGTAG_REDIS_URL", url)
    result = CliRunner().invoke(hangtag, ["up", "--workers", workers])
    assert result.exit_code == Exit.SETUP
    assert result.stderr.endswith(f": HANGTAG_REDIS_URL{line}\n")
    assert result.stderr.count("\n") == 1
    assert "secret" not in result.output


@pytest.mark.parametrize("before", [Desired(), Desired(keep=False, children=3, floor=1)])
def test_a_failed_start_restores_the_requested_number(
    before: Desired, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(prefix="ht-") as folder:  # short, for the path of a socket
        monkeypatch.delenv("HANGTAG_REDIS_URL", raising=False)
        monkeypatch.setenv("HANGTAG_RUNTIME_DIR", folder)
        place = private_stack_dir(Settings.from_env())
        desired_state.save(place, before)
        monkeypatch.setenv("HANGTAG_LOG_JSON", "yes")
        result = CliRunner().invoke(hangtag, ["up", "--workers", "2"])
        assert result.exit_code == Exit.SETUP, result.output
        assert desired_state.load(place) == before


def test_requests_that_outlast_the_stack_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANGTAG_STORE", str(tmp_path))
    with tempfile.TemporaryDirectory(prefix="ht-") as folder:
        monkeypatch.setenv("HANGTAG_RUNTIME_DIR", folder)
        assert "trainer" not in CliRunner().invoke(hangtag, ["down"]).stdout
        stored_requests.keep_on_stack(Settings.from_env(), make_request(Promote("mine@2"), "left"))
        said = CliRunner().invoke(hangtag, ["down"]).stdout
    assert "not finished: 1 request to the trainer" in said
    assert said.endswith("hangtag cancel left\n")
