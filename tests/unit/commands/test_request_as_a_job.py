"""The id of a request, typed where that of a job may be."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from producer.cli.main import hangtag
from producer.trainer.client import make_request
from shared.errors import Exit
from shared.messages.training import Train
from shared.settings import Settings
from tests.support.jobs import stored_requests


@pytest.mark.parametrize(
    ("command", "code", "answer"),
    [
        ("status", Exit.USAGE, "is a request to the trainer; use: hangtag train --follow k3fa2b1c"),
        ("cancel", Exit.OK, "request k3fa2b1c is cancelled"),
    ],
)
def test_the_id_of_a_request_is_known(
    command: str, code: Exit, answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STORE", "RUNTIME_DIR"):
        monkeypatch.setenv(f"HANGTAG_{name}", str(tmp_path / name))
    monkeypatch.setenv("HANGTAG_REDIS_URL", "")
    settings = Settings.from_env()
    request = make_request(Train("garments", "fast"), "k3fa2b1c")
    stored_requests.keep(settings.store_path, request)
    result = CliRunner().invoke(hangtag, [command, request.id])
    assert result.exit_code == code
    assert answer in result.output
    result = CliRunner().invoke(hangtag, [command, "k3fa2b1d"])
    assert result.exit_code in (Exit.USAGE, Exit.SETUP)
    assert "is a request" not in result.stderr
